//! Plays the outside providers: takes what relais sends over real HTTP and SMTP, and calls back as each of them would.
