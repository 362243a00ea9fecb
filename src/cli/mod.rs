//! The command line: what the program can be asked to do.
//!
//! Each command turns into an [`Answer`], which is printed for people or, with `--json`, for programs.

mod alerts;
mod answer;
mod audit;
mod bulk;
mod circuits;
mod contact;
mod credential;
mod dead;
mod doctor;
mod endpoint;
mod history;
mod jobs;
mod key;
mod limits;
mod many;
mod member;
mod migrate;
mod pages;
mod pause;
mod payload;
mod queues;
mod reach;
mod reseal;
mod retention;
mod route;
mod schedules;
mod scoring;
mod secret;
mod tenant;
mod who;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use anyhow::Context as _;

pub use self::dead::letter_of_line;
use crate::config::home::Home;
use crate::config::{Flags, LogFormat, LogSettings, Settings, Values};
use crate::telemetry::{self, Destination};
use crate::{clock, dev, web, worker};
use answer::Answer;

/// Takes signed webhooks, keeps each as a durable job, and works the jobs off.
///
/// Without a command it is `relais dev`: everything in one process, on an SQLite file below ./.relais/, ready to try.
/// An installation runs `relais migrate` once per release, and then `relais web`, `relais worker` and `relais clock`.
#[derive(Parser)]
#[command(
    name = "relais",
    version,
    after_help = "Exit status: 0 done, 1 refused or failed, 2 not understood.\n\
                  Settings are environment variables or flags; `relais --help` lists them.\n\n\
                  A first look:   relais                       (then paste the lines it prints)\n\
                  What waits:     relais queues\n\
                  What died:      relais dead list\n\
                  Why it waits:   relais jobs why ID\n\
                  Is all well:    relais doctor"
)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    /// Print JSON: ids as text, times in RFC 3339 UTC.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Everything in one process on SQLite below ./.relais/, with a demo tenant and lines to paste (the default).
    Dev,
    /// Take webhooks and the API's requests. Run as many as you like behind one address.
    ///
    /// Ends at SIGTERM: no new connections, then up to SHUTDOWN_GRACE for the requests under way.
    Web,
    /// Run jobs. Start more of them to work faster; the queue shares the work out.
    ///
    /// Example: relais worker --queues urgent=16,default=32
    ///
    /// Ends at SIGTERM: claims nothing more, gives what runs SHUTDOWN_GRACE, and hands the rest back without counting an
    /// attempt. SIGUSR1 makes it quiet: it claims nothing more and finishes what runs, until `relais resume worker SESSION`.
    Worker,
    /// Start what starts by the clock. One is enough; with two, every tick still happens once.
    Clock,
    /// Bring the database up to date. Safe to repeat, and to run from several processes.
    Migrate,
    /// Look at everything an installation needs, and say what is wrong and what to do. Exit status 1 on a fault.
    Doctor,
    /// Seal everything again that lies under a former key of RELAIS_KEYS, while the installation works.
    ///
    /// Put the new key behind the old one and start every process again; then put it in front and start them again; then call
    /// this. When it says that nothing is left, the old key can go. Exit status 1 if something opens under no key. Safe to
    /// repeat, to cut short and to call twice at once.
    Reseal {
        /// Who asks; it is written into the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// Customers of this installation.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Addresses that providers post webhooks to.
    #[command(subcommand)]
    Endpoint(endpoint::Command),
    /// What accounts at providers are used with.
    #[command(subcommand)]
    Credential(credential::Command),
    /// By which accounts messages go.
    #[command(subcommand)]
    Route(route::Command),
    /// Accounts at providers that failed lately: until when they are left alone.
    Circuits {
        /// Only this tenant's.
        #[arg(long, value_name = "ID")]
        tenant: Option<domain::TenantId>,
    },
    /// Keys for the API.
    #[command(subcommand)]
    Key(key::Command),
    /// People who work for tenants.
    #[command(subcommand)]
    Member(member::Command),
    /// To answer for people whose data is kept.
    #[command(subcommand)]
    Contact(contact::Command),
    /// Who did what, when and from where.
    #[command(subcommand)]
    Audit(audit::Command),
    /// What waits, runs and died, queue by queue; pause and resume a queue.
    Queues {
        #[command(subcommand)]
        command: Option<queues::Command>,
    },
    /// Stop a kind, a tenant or a worker for a while; `queues pause` stops a whole queue.
    Pause {
        #[command(subcommand)]
        target: pause::Target,
        /// Who asks; shown to whoever wonders why nothing runs, and kept in the audit log.
        #[arg(long, global = true)]
        by: Option<String>,
    },
    /// Let what was paused flow again: a kind, a tenant or a worker.
    Resume {
        #[command(subcommand)]
        target: pause::Target,
        /// Who asks; kept in the audit log.
        #[arg(long, global = true)]
        by: Option<String>,
    },
    /// How many jobs of a key may run at once or start in a time, shared by all workers.
    Limits {
        #[command(subcommand)]
        command: Option<limits::Command>,
    },
    /// What starts by the clock: when, when next, and when it last did as far as the queue knows.
    Schedules,
    /// Jobs that have not ended, and why they wait.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Jobs that died: look at them, correct them, run them again.
    #[command(subcommand)]
    Dead(dead::Command),
    /// By which rules scores change, and where hot leads are told.
    #[command(subcommand)]
    Scoring(scoring::Command),
    /// What goes wrong now and what did lately: since when, the figure, what to do.
    Alerts,
    /// What is old enough to go: messages older than eighteen months, scores of two years' silence, crossings of ninety days.
    Retention(retention::Retention),
    /// What is being done with many dead letters at once, and what came of it.
    #[command(subcommand)]
    Bulk(bulk::Command),
}

/// Does what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    // Not understood: clap explains, and ends with status 2.
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("relais: {}", answer::plain(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

/// `false` = the answer was printed and says that not all is well.
fn dispatch(cli: Cli) -> anyhow::Result<bool> {
    let values = Values::from_environment(&cli.flags);
    match cli.command {
        None | Some(Command::Dev) => develop(values),
        Some(Command::Web) => serve(&values, web::run),
        Some(Command::Worker) => serve(&values, worker::run),
        Some(Command::Clock) => serve(&values, clock::run),
        Some(command) => operate(command, values, cli.json),
    }
}

/// Runs a process until it is asked to end. Settings are checked before anything is opened.
fn serve(values: &Values, run: fn(&Settings) -> anyhow::Result<()>) -> anyhow::Result<bool> {
    let settings = Settings::read(values)?;
    let _log = telemetry::init(&settings.log, Destination::Stdout);
    run(&settings)?;
    Ok(true)
}

/// Only faults of the values that are given end it: nothing need be given.
fn develop(mut values: Values) -> anyhow::Result<bool> {
    let here = std::env::current_dir().context("the current directory cannot be told")?;
    let home = Home::make(&here).context("./.relais cannot be made here")?;
    home.fill(&mut values).context("./.relais cannot be read")?;
    values.or_set("LOG_FORMAT", "pretty");
    values.or_set("HOST", "127.0.0.1");
    let settings = Settings::read(&values)?;
    let _log = telemetry::init(&settings.log, Destination::Stdout);
    dev::run(&settings, &home)?;
    Ok(true)
}

/// Does one thing, prints the answer and ends.
fn operate(command: Command, mut values: Values, json: bool) -> anyhow::Result<bool> {
    reach::use_home(&mut values)?;
    // A person is looking. Commands that cannot read the rest of the settings say so themselves.
    let filter = LogSettings::read(&values).ok().and_then(|log| log.filter);
    let _log = telemetry::init(
        &LogSettings {
            format: LogFormat::Pretty,
            filter,
        },
        Destination::Stderr,
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(answer(command, &values))?;
    answer.print(json)?;
    Ok(answer.is_success())
}

async fn answer(command: Command, values: &Values) -> anyhow::Result<Answer> {
    match command {
        Command::Migrate => return migrate::run(values).await,
        Command::Doctor => return Ok(doctor::run(values).await),
        _ => {}
    }
    let settings = Settings::read(values)?;
    match command {
        Command::Reseal { by } => reseal::run(by, &settings).await,
        Command::Tenant(command) => tenant::run(command, &settings).await,
        Command::Endpoint(command) => endpoint::run(command, &settings).await,
        Command::Credential(command) => credential::run(command, &settings).await,
        Command::Route(command) => route::run(command, &settings).await,
        Command::Circuits { tenant } => circuits::run(tenant, &settings).await,
        Command::Key(command) => key::run(command, &settings).await,
        Command::Member(command) => member::run(command, &settings).await,
        Command::Contact(command) => contact::run(command, &settings).await,
        Command::Audit(command) => audit::run(command, &settings).await,
        Command::Queues { command } => queues::run(command, &settings).await,
        Command::Pause { target, by } => pause::pause(target, by, &settings).await,
        Command::Resume { target, by } => pause::resume(target, by, &settings).await,
        Command::Limits { command } => limits::run(command, &settings).await,
        Command::Schedules => schedules::run(&settings).await,
        Command::Scoring(command) => scoring::run(command, &settings).await,
        Command::Alerts => alerts::run(&settings).await,
        Command::Retention(asked) => retention::run(asked, &settings).await,
        Command::Jobs(command) => jobs::run(command, &settings).await,
        Command::Dead(command) => dead::run(command, &settings).await,
        Command::Bulk(command) => bulk::run(command, &settings).await,
        Command::Dev | Command::Web | Command::Worker | Command::Clock | Command::Migrate | Command::Doctor => {
            unreachable!("these were taken care of above")
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
