# A mail server for tests, sourced by bin/test: Postfix takes mail on loopback, from who logs in over TLS; Dovecot shows it
# by IMAP. Everything is below $work/mail; nothing leaves this machine, and no mail server that runs here is touched.
#
#   TEST_SMTP_PORT     submission; STARTTLS with the certificate of crates/providers/tests/sending/tls; every login with
#                      the password below. refused@example.com does not exist, later@example.com does not take mail now.
#   TEST_IMAP_PORT     the one mailbox that all mail ends in, in clear, for any login with the password below
readonly MAIL_PASSWORD=fixture-password

start_mail() {
    local certificates="$PWD/crates/providers/tests/sending/tls"
    mail="$work/mail"
    mkdir -p "$mail"/{postfix,queue,data,inbox,dovecot,tls}
    cp "$certificates"/server.{pem,key} "$mail/tls/"
    chmod 600 "$mail/tls/server.key"
    for _ in $(seq "$PORT_ATTEMPTS"); do
        TEST_SMTP_PORT=$(random_port) TEST_IMAP_PORT=$(random_port) sasl_port=$(random_port)
        write_dovecot_config
        write_postfix_config
        as_root chown -R postfix: "$mail"/{data,inbox}
        # Both answer only once they listen on all their ports.
        if as_root dovecot -c "$mail/dovecot/conf" >"$mail/dovecot/said" 2>&1; then
            if as_root postfix -c "$mail/postfix" start >"$mail/postfix/said" 2>&1 && mail_answers; then
                export TEST_SMTP_PORT TEST_IMAP_PORT
                return
            fi
        fi
        stop_mail
    done
    cat "$mail"/{dovecot,postfix}/said "$mail"/log* >&2 || true
    fail "the mail server did not start"
}

mail_answers() {
    local greeting
    for _ in $(seq 100); do
        if exec 8<>"/dev/tcp/127.0.0.1/$TEST_SMTP_PORT"; then
            read -r -t 5 greeting <&8 || greeting=
            exec 8>&-
            [[ $greeting == 220* ]] && return
        fi 2>/dev/null
        sleep 0.05
    done
    return 1
}

stop_mail() {
    [ -n "${mail:-}" ] || return 0
    as_root postfix -c "$mail/postfix" stop >/dev/null 2>&1 || true
    as_root doveadm -c "$mail/dovecot/conf" stop >/dev/null 2>&1 || true
}

write_postfix_config() {
    local daemons
    daemons=$(postconf -h daemon_directory)
    cat >"$mail/postfix/main.cf" <<EOF
compatibility_level = 3.6
myhostname = mail.example.com
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
queue_directory = $mail/queue
data_directory = $mail/data
daemon_directory = $daemons
mail_owner = postfix
alias_maps =
alias_database =
maillog_file = $mail/log.postfix
maillog_file_prefixes = $work

# Every address has the same mailbox; any other domain is nowhere.
virtual_mailbox_domains = example.com
virtual_mailbox_base = $mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:$(id -u postfix)
virtual_gid_maps = static:$(id -g postfix)
virtual_minimum_uid = 1
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine

smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = $mail/tls/server.pem
smtpd_tls_key_file = $mail/tls/server.key
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:$sasl_port
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
    check_recipient_access inline:{
        { refused@example.com = 550 5.1.1 There is no such mailbox }
        { later@example.com = 450 4.2.1 The mailbox takes no mail now } },
    permit_sasl_authenticated, reject
EOF
    cat >"$mail/postfix/master.cf" <<EOF
127.0.0.1:$TEST_SMTP_PORT inet n - n - - smtpd
postlog   unix-dgram n - n - 1 postlogd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
proxymap  unix - - n - - proxymap
virtual   unix - n n - - virtual
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
EOF
}

write_dovecot_config() {
    cat >"$mail/dovecot/conf" <<EOF
protocols = imap
base_dir = $mail/dovecot/run
state_dir = $mail/dovecot/state
log_path = $mail/log.dovecot
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:$mail/inbox
first_valid_uid = 1
passdb {
  driver = static
  args = password=$MAIL_PASSWORD
}
userdb {
  driver = static
  args = uid=$(id -u postfix) gid=$(id -g postfix) home=$mail/inbox
}
service imap-login {
  inet_listener imap {
    port = $TEST_IMAP_PORT
  }
  inet_listener imaps {
    port = 0
  }
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = $sasl_port
  }
}
EOF
}
