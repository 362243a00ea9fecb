//! A process that is not set up says all that is wrong and does nothing else; what is written about settings is true.

use std::path::Path;
use std::process::{Command, Output};

use relais::config::{Fallback, Setting, TABLE};

fn relais(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
    let directory = tempfile::tempdir().unwrap();
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(directory.path());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_process_with_wrong_settings_names_all_of_them_and_binds_and_opens_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/never.db", directory.path().display());
    // Holding the port: had the process come as far as binding it, its complaint would be another.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    for process in ["web", "worker", "clock"] {
        let common = [("HOST", "127.0.0.1"), ("PORT", port.as_str())];
        let malformed = [&common[..], &[("DATABASE_URL", "postgres//relais:hunter2@db/relais")]].concat();
        let output = relais(&[process], &malformed);
        assert_eq!(output.status.code(), Some(1), "{process}");
        let message = text(&output.stderr);
        assert!(
            message.contains("DATABASE_URL is not usable: it must begin with"),
            "{message}"
        );
        assert!(
            message.contains("RELAIS_KEYS is missing: set it to `id:` and 32 random bytes in base64"),
            "{message}"
        );
        assert!(
            !message.contains("hunter2") && !message.contains("cannot listen"),
            "{message}"
        );
        assert_eq!(
            text(&output.stdout),
            "",
            "nothing is logged before the settings are good"
        );

        let keyless = [&common[..], &[("DATABASE_URL", database.as_str()), ("JOB_LEASE", "1s")]].concat();
        let message = text(&relais(&[process], &keyless).stderr);
        assert!(
            message.contains("RELAIS_KEYS is missing") && message.contains("JOB_LEASE"),
            "{message}"
        );
    }
    assert!(!directory.path().join("never.db").exists(), "no database was made");
}

#[test]
fn a_flag_overrides_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/by-flag.db", directory.path().display());
    let output = relais(&["migrate", "--database-url", &url], &[("DATABASE_URL", "nonsense")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(directory.path().join("by-flag.db").exists());
}

#[test]
fn the_example_of_an_environment_names_every_setting_and_no_other() {
    let expected: String = TABLE.iter().map(example).collect::<Vec<_>>().join("\n");
    check_document(".env.example", &expected);
}

#[test]
fn the_readme_has_the_table_of_all_settings() {
    let rows: String = TABLE
        .iter()
        .map(|setting| {
            let default = match setting.default {
                Fallback::Is(text) => format!("`{text}`"),
                Fallback::From(text) => text.to_owned(),
                Fallback::Required => "**required**".to_owned(),
            };
            format!("| `{}` | {default} | {} |\n", setting.name, setting.meaning)
        })
        .collect();
    check_document(
        "README.md",
        &format!("| setting | default | meaning |\n|---|---|---|\n{rows}"),
    );
}

fn example(setting: &Setting) -> String {
    let (note, line) = match setting.default {
        Fallback::Is(text) => (String::new(), format!("{}={text}", setting.name)),
        Fallback::From(text) => (format!("\n# Default: {text}."), format!("# {}=", setting.name)),
        Fallback::Required => ("\n# Required.".to_owned(), format!("{}=", setting.name)),
    };
    format!("# {}{note}\n{line}\n", setting.meaning)
}

fn check_document(name: &str, expected: &str) {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let whole = name == ".env.example";
    let is_true = if whole {
        document == expected
    } else {
        document.contains(expected)
    };
    assert!(
        is_true,
        "{name} should {} this:\n{expected}",
        if whole { "be" } else { "contain" }
    );
}
