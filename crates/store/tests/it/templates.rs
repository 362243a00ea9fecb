//! Templates.

use std::sync::Arc;

use domain::Language;
use store::{Store, StoreError, Template, TemplateTexts};
use tokio::task::JoinSet;

use crate::fresh::{Fresh, now, second};

fn says(text: &str) -> TemplateTexts {
    TemplateTexts {
        subject: Some(format!("About {text}")),
        text: Some(text.into()),
        html: Some(format!("<p>{text}</p>")),
        provider_content_id: None,
    }
}

async fn write(fresh: &Fresh, name: &str, language: Language, text: &str, seconds: i64) -> Template {
    let (texts, at) = (says(text), second(seconds));
    let created = fresh.store.create_template(fresh.tenant, name, language, &texts, at);
    created.await.unwrap()
}

async fn find(store: &Store, fresh: &Fresh, name: &str, language: Language, version: Option<u32>) -> Option<Template> {
    store.template(fresh.tenant, name, language, version).await.unwrap()
}

async fn versions_are_kept_and_the_latest_is_found(fresh: Fresh) {
    let first = write(&fresh, "welcome", Language::French, "un", 0).await;
    let second = write(&fresh, "welcome", Language::French, "deux", 1).await;
    let english = write(&fresh, "welcome", Language::English, "one", 2).await;
    assert_eq!((first.version, second.version, english.version), (1, 2, 1));
    let find = async |language, version| find(&fresh.store, &fresh, "welcome", language, version).await;
    assert_eq!(find(Language::French, None).await, Some(second.clone()));
    assert_eq!(find(Language::French, Some(1)).await, Some(first));
    assert_eq!(find(Language::French, Some(2)).await, Some(second));
    assert_eq!(find(Language::French, Some(3)).await, None);
    assert_eq!(find(Language::English, None).await, Some(english));
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(
        fresh
            .store
            .template(other, "welcome", Language::French, None)
            .await
            .unwrap(),
        None
    );
}

async fn writing_what_the_latest_version_says_makes_no_other(fresh: Fresh) {
    let first = write(&fresh, "welcome", Language::French, "un", 0).await;
    assert_eq!(write(&fresh, "welcome", Language::French, "un", 9).await, first);
    write(&fresh, "welcome", Language::French, "deux", 10).await;
    assert_eq!(write(&fresh, "welcome", Language::French, "un", 11).await.version, 3);
}

async fn a_template_that_says_nothing_is_refused(fresh: Fresh) {
    let silent = TemplateTexts {
        subject: Some("only a subject".into()),
        ..TemplateTexts::default()
    };
    let refused = fresh
        .store
        .create_template(fresh.tenant, "x", Language::French, &silent, now())
        .await;
    assert!(matches!(&refused, Err(StoreError::Constraint(_))), "{refused:?}");
    let refused = fresh
        .store
        .create_template(fresh.tenant, "", Language::French, &says("x"), now())
        .await;
    assert!(matches!(&refused, Err(StoreError::Constraint(_))), "{refused:?}");
}

async fn lists_show_each_template_once_and_all_versions_of_one(fresh: Fresh) {
    for (name, text, seconds) in [
        ("a", "1", 0),
        ("b", "1", 1),
        ("a", "2", 2),
        ("c", "1", 3),
        ("a", "3", 3),
    ] {
        write(&fresh, name, Language::French, text, seconds).await;
    }
    let list = async |name, limit| {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = fresh.store.templates(fresh.tenant, name, after, limit).await.unwrap();
            all.extend(page.items.into_iter().map(|template| (template.name, template.version)));
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    };
    let mut latest = list(None, 1).await;
    assert_eq!(list(None, 50).await, latest);
    latest.sort();
    assert_eq!(latest, [("a".to_owned(), 3), ("b".to_owned(), 1), ("c".to_owned(), 1)]);
    let versions: Vec<_> = list(Some("a"), 2)
        .await
        .into_iter()
        .map(|(_, version)| version)
        .collect();
    assert_eq!(versions, [3, 2, 1]);
}

async fn versions_written_at_once_are_numbered_without_a_gap(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let mut tasks = JoinSet::new();
    for n in 0..20 {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move { write(&fresh, "w", Language::French, &n.to_string(), n).await.version });
    }
    let mut versions = tasks.join_all().await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    let current = fresh.store.templates(fresh.tenant, None, None, 50).await.unwrap().items;
    assert_eq!(current.len(), 1);
}

both!(
    versions_are_kept_and_the_latest_is_found,
    writing_what_the_latest_version_says_makes_no_other,
    a_template_that_says_nothing_is_refused,
    lists_show_each_template_once_and_all_versions_of_one,
    versions_written_at_once_are_numbered_without_a_gap,
);
