//! Credentials as they are kept: a JSON object.

use providers::{Credentials, Provider, Sender, StandIns};

use crate::HTTP;

fn parse(provider: Provider, json: &str) -> Result<Credentials, (&'static str, &'static str)> {
    Credentials::parse(provider, json.as_bytes()).map_err(|error| (error.field, error.reason))
}

#[test]
fn each_provider_has_its_fields_and_a_preview() {
    let check = |provider: Provider, json: &str, preview: &str| {
        let credentials = parse(provider, json).unwrap();
        assert_eq!(credentials.provider(), provider);
        assert_eq!(credentials.preview(), preview);
        let sender = HTTP.with(|http| Sender::new(&credentials, http, &StandIns::default()).unwrap());
        assert_eq!(sender.provider(), provider);
        let shown = format!("{credentials:?} {sender:?}");
        assert!(!shown.contains("fixture"), "{shown}");
    };
    check(
        Provider::SendGrid,
        r#"{"api_key":"SG.fixture-key-of-nobody"}"#,
        "SG.f…dy",
    );
    check(
        Provider::SendGrid,
        r#"{"api_key":"SG.fixture-key-of-nobody","region":"eu"}"#,
        "SG.f…dy",
    );
    check(Provider::Resend, r#"{"api_key":"re_fixture_key_of_nobody"}"#, "re_f…dy");
    let account = r#""account_sid":"AC6ae32eaeb19b4d6974b27e9e2e7fc789""#;
    check(
        Provider::Twilio,
        &format!(r#"{{{account},"auth_token":"fixture"}}"#),
        "AC6a…89",
    );
    let key = r#""api_key_sid":"SK6ae32eaeb19b4d6974b27e9e2e7fc789","api_key_secret":"fixture""#;
    check(
        Provider::Twilio,
        &format!(r#"{{{account},{key},"auth_token":"fixture"}}"#),
        "AC6a…89",
    );
    let instance = r#""id_instance":1101000001,"api_token_instance":"fixtureToken""#;
    check(Provider::GreenApi, &format!("{{{instance}}}"), "1101000001");
    let url = "https://7103.api.green-api.com/";
    check(
        Provider::GreenApi,
        &format!(r#"{{{instance},"api_url":"{url}"}}"#),
        "1101000001",
    );
    check(
        Provider::Smtp,
        r#"{"host":"smtp.example.com","port":465,"security":"tls"}"#,
        "smtp.example.com:465",
    );
    check(
        Provider::Smtp,
        r#"{"host":"smtp.example.com","port":587,"security":"starttls","username":"desk","password":"fixture",
            "hello":"out.example.com","root_certificate":null,
            "dkim":{"domain":"example.com","selector":"s1","key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}}"#,
        "smtp.example.com:587 as d…",
    );
}

#[test]
fn what_is_missing_or_wrong_is_named_and_never_repeated() {
    let check = |provider: Provider, json: &str, field: &str| {
        let (at_fault, reason) = parse(provider, json).unwrap_err();
        assert_eq!(at_fault, field, "{json}");
        assert!(!reason.contains("fixture"), "{reason}");
    };
    for provider in [Provider::Smtp, Provider::SendGrid, Provider::Twilio, Provider::GreenApi] {
        check(provider, "fixture", "body");
        check(provider, "[]", "body");
    }
    check(Provider::SendGrid, "{}", "api_key");
    check(Provider::SendGrid, r#"{"api_key":7}"#, "api_key");
    check(Provider::SendGrid, r#"{"api_key":"fixture key"}"#, "api_key");
    check(Provider::SendGrid, r#"{"api_key":"fixture","region":"mars"}"#, "region");
    check(Provider::Resend, r#"{"api_key":"fixture\r\nX-Other: 1"}"#, "api_key");
    check(Provider::Vapi, r#"{"api_key":"fixture"}"#, "provider");
    let twilio = |rest: &str| format!(r#"{{"account_sid":"AC6ae32eaeb19b4d6974b27e9e2e7fc789"{rest}}}"#);
    check(Provider::Twilio, r#"{"auth_token":"fixture"}"#, "account_sid");
    check(
        Provider::Twilio,
        r#"{"account_sid":"AC/../fixture","auth_token":"fixture"}"#,
        "account_sid",
    );
    check(Provider::Twilio, &twilio(""), "auth_token");
    check(
        Provider::Twilio,
        &twilio(r#","api_key_sid":"fixture","api_key_secret":"fixture""#),
        "api_key_sid",
    );
    check(
        Provider::Twilio,
        &twilio(r#","api_key_sid":"SK6ae32eaeb19b4d6974b27e9e2e7fc789""#),
        "api_key_secret",
    );
    let green = |rest: &str| format!(r#"{{"id_instance":"1101000001","api_token_instance":"fixture"{rest}}}"#);
    check(Provider::GreenApi, r#"{"api_token_instance":"fixture"}"#, "id_instance");
    check(
        Provider::GreenApi,
        r#"{"id_instance":"fixture","api_token_instance":"fixture"}"#,
        "id_instance",
    );
    check(Provider::GreenApi, r#"{"id_instance":1}"#, "api_token_instance");
    for url in [
        "http://api.green-api.com",
        "https://api.green-api.com.example.com",
        "https://evilgreen-api.com",
        "https://api.green-api.com:8443",
        "https://fixture@api.green-api.com",
        "fixture",
    ] {
        check(Provider::GreenApi, &green(&format!(r#","api_url":"{url}""#)), "api_url");
    }
    let smtp = |rest: &str| format!(r#"{{"host":"smtp.example.com","port":587,"security":"starttls"{rest}}}"#);
    check(
        Provider::Smtp,
        r#"{"host":"smtp.example.com","security":"tls"}"#,
        "port",
    );
    check(
        Provider::Smtp,
        r#"{"host":"smtp.example.com","port":70000,"security":"tls"}"#,
        "port",
    );
    check(
        Provider::Smtp,
        r#"{"host":"smtp.example.com","port":0,"security":"tls"}"#,
        "port",
    );
    check(
        Provider::Smtp,
        r#"{"host":"smtp.example.com","port":25,"security":"none"}"#,
        "security",
    );
    check(
        Provider::Smtp,
        r#"{"host":"smtp.example.com","port":25,"security":"maybe"}"#,
        "security",
    );
    check(Provider::Smtp, r#"{"port":25,"security":"tls"}"#, "host");
    check(Provider::Smtp, &smtp(r#","username":"fixture""#), "password");
    check(Provider::Smtp, &smtp(r#","password":"fixture""#), "username");
    check(Provider::Smtp, &smtp(r#","hello":"fix ture""#), "hello");
    check(
        Provider::Smtp,
        &smtp(r#","root_certificate":"fixture""#),
        "root_certificate",
    );
    check(
        Provider::Smtp,
        &smtp(r#","dkim":{"domain":"example.com","selector":"s1"}"#),
        "key",
    );
}
