//! Coming in: links that let somebody in, and how often they may be asked for.

use chrono::{DateTime, TimeDelta, Utc};
use domain::sign_in::{LINK_LIFETIME, PER_ADDRESS, PER_PLACE};
use domain::{Author, EmailAddress, Origin, Role, TenantId, Token, TokenKind};
use seal::Keyring;
use store::{ConnectOptions, Db, Session, SignInLink, Store};
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};

pub(crate) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub(crate) fn of_link(link: &SignInLink) -> Token {
    Token {
        kind: TokenKind::SignIn,
        tenant: link.tenant,
        id: link.id.0,
        generation: 0,
        expires_at: link.expires_at,
    }
}

impl Fresh {
    pub(crate) async fn links(&self, email: &str, tenant: Option<TenantId>, request: u128) -> Vec<SignInLink> {
        let request = Uuid::from_u128(request);
        let made = self
            .store
            .make_sign_in_links(&address(email), tenant, request, now())
            .await;
        made.unwrap()
    }

    pub(crate) async fn redeem(&self, token: &Token, at: DateTime<Utc>) -> Option<Session> {
        self.store.redeem(token, None, &Origin::unknown(), at).await.unwrap()
    }
}

async fn a_link_lets_its_member_in_once_however_many_processes_try_at_once(fresh: Fresh) {
    fresh.join(fresh.tenant, "ben@example.com", Role::Sales).await;
    let link = fresh.links("Ben@Example.com", None, 1).await.remove(0);
    assert_eq!(
        fresh.links("ben@example.com", None, 1).await,
        std::slice::from_ref(&link),
        "the same request again"
    );
    // A pool of its own, as another process has.
    let options = ConnectOptions::default();
    let db = Db::connect(&fresh.url, &options).await.unwrap();
    let other = Store::new(db, Keyring::parse(&fresh.keyring_text).unwrap());
    let token = of_link(&link);
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = if number % 2 == 0 {
            fresh.store.clone()
        } else {
            other.clone()
        };
        tries.spawn(async move { store.redeem(&token, None, &Origin::unknown(), second(1)).await.unwrap() });
    }
    let let_in: Vec<Session> = tries.join_all().await.into_iter().flatten().collect();
    assert_eq!(let_in.len(), 1);
    assert_eq!((let_in[0].tenant, let_in[0].role), (fresh.tenant, Role::Sales));
    assert_eq!(fresh.links("ben@example.com", None, 1).await.len(), 1);
    assert_eq!(
        fresh.redeem(&token, second(2)).await,
        None,
        "making it again does not make it new"
    );
}

async fn a_link_that_expired_or_is_another_tenants_lets_nobody_in_and_stays_unused(fresh: Fresh) {
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    fresh.join(fresh.tenant, "ben@example.com", Role::Sales).await;
    let link = fresh.links("ben@example.com", None, 1).await.remove(0);
    let token = of_link(&link);
    assert_eq!(fresh.redeem(&token, now() + LINK_LIFETIME).await, None, "expired");
    let late = Token {
        expires_at: now() + TimeDelta::days(1),
        ..token
    };
    assert_eq!(
        fresh.redeem(&late, now() + LINK_LIFETIME).await,
        None,
        "the row has the last word"
    );
    assert_eq!(fresh.redeem(&Token { tenant: other, ..token }, now()).await, None);
    let only = fresh.store.redeem(&token, Some(other), &Origin::unknown(), now()).await;
    assert_eq!(only.unwrap(), None, "asked for at another tenant's");
    assert_eq!(
        fresh
            .redeem(
                &Token {
                    kind: TokenKind::Invitation,
                    ..token
                },
                now()
            )
            .await,
        None
    );
    assert!(fresh.redeem(&token, second(1)).await.is_some());
}

async fn links_are_made_for_whoever_works_there_and_for_nobody_else(fresh: Fresh) {
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(fresh.links("ben@example.com", None, 1).await, []);
    let ben = fresh.join(fresh.tenant, "ben@example.com", Role::Member).await;
    fresh.join(other, "ben@example.com", Role::Member).await;
    assert_eq!(fresh.links("ben@example.com", None, 2).await.len(), 2);
    let only = fresh.links("ben@example.com", Some(other), 3).await;
    assert_eq!(only.iter().map(|link| link.tenant).collect::<Vec<_>>(), [other]);
    let here = fresh.links("ben@example.com", Some(fresh.tenant), 4).await.remove(0);
    let removed = fresh
        .store
        .remove_member(fresh.tenant, ben.user, Role::Owner, &Author::system(), second(1))
        .await;
    removed.unwrap();
    assert_eq!(
        fresh.redeem(&of_link(&here), second(2)).await,
        None,
        "who is no member any more stays out"
    );
}

async fn asking_too_often_is_refused_for_the_address_and_for_the_place(fresh: Fresh) {
    let place = |last: u8| Some(std::net::IpAddr::from([203, 0, 113, last]));
    let ask = async |email: &str, last| {
        fresh
            .store
            .try_sign_in(&address(email), place(last), now())
            .await
            .unwrap()
    };
    for _ in 0..PER_ADDRESS.most {
        assert_eq!(ask("nobody@example.com", 1).await, Ok(()));
    }
    assert!(ask("NOBODY@example.com", 2).await.is_err(), "from another place, too");
    for number in PER_ADDRESS.most..PER_PLACE.most {
        assert_eq!(ask(&format!("{number}@example.com"), 1).await, Ok(()));
    }
    assert!(ask("new@example.com", 1).await.is_err());
    assert_eq!(ask("new@example.com", 3).await, Ok(()));
    let later = fresh
        .store
        .try_sign_in(&address("nobody@example.com"), place(1), now() + PER_PLACE.window)
        .await;
    assert_eq!(later.unwrap(), Ok(()));
}

async fn what_is_long_over_is_forgotten(fresh: Fresh) {
    fresh.signed_in().await;
    fresh
        .store
        .try_sign_in(&address("ben@example.com"), None, now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(fresh.store.forget_sign_ins(now(), 10).await.unwrap(), 0);
    assert_eq!(
        fresh
            .store
            .forget_sign_ins(now() + TimeDelta::days(1), 10)
            .await
            .unwrap(),
        3
    );
}

both!(
    a_link_lets_its_member_in_once_however_many_processes_try_at_once,
    a_link_that_expired_or_is_another_tenants_lets_nobody_in_and_stays_unused,
    links_are_made_for_whoever_works_there_and_for_nobody_else,
    asking_too_often_is_refused_for_the_address_and_for_the_place,
    what_is_long_over_is_forgotten,
);
