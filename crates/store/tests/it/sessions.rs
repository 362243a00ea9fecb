//! Coming in and being in: links, invitations, sessions.

use chrono::{DateTime, TimeDelta, Utc};
use domain::sign_in::{
    LINK_LIFETIME, PER_ADDRESS, PER_PLACE, SESSION_LIFETIME, SESSION_OVERLAP, SESSION_TOKEN_LIFETIME,
};
use domain::{Author, EmailAddress, Origin, Role, TenantId, Token, TokenKind};
use seal::Keyring;
use store::{ConnectOptions, Db, MemberChange, Session, SignInLink, Store};
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn of_link(link: &SignInLink) -> Token {
    Token {
        kind: TokenKind::SignIn,
        tenant: link.tenant,
        id: link.id.0,
        generation: 0,
        expires_at: link.expires_at,
    }
}

impl Fresh {
    async fn links(&self, email: &str, tenant: Option<TenantId>, request: u128) -> Vec<SignInLink> {
        let request = Uuid::from_u128(request);
        let made = self
            .store
            .make_sign_in_links(&address(email), tenant, request, now())
            .await;
        made.unwrap()
    }

    async fn redeem(&self, token: &Token, at: DateTime<Utc>) -> Option<Session> {
        self.store.redeem(token, None, &Origin::unknown(), at).await.unwrap()
    }

    /// Ben, an owner, is in.
    async fn signed_in(&self) -> Session {
        self.join(self.tenant, "ben@example.com", Role::Owner).await;
        let link = self.links("ben@example.com", None, 1).await.remove(0);
        self.redeem(&of_link(&link), now()).await.unwrap()
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

async fn a_sessions_token_changes_and_the_one_before_ends_soon(fresh: Fresh) {
    let first = fresh.signed_in().await;
    let find = async |token: &Token, at| fresh.store.find_session(token, at).await.unwrap();
    assert_eq!(find(&first.token(), second(1)).await, Some(first.clone()));
    let (left, right) = (first.token(), first.token());
    let (left, right) = tokio::join!(
        fresh.store.rotate_session(&left, second(10)),
        fresh.store.rotate_session(&right, second(10)),
    );
    let rotated: Vec<_> = [left.unwrap(), right.unwrap()].into_iter().flatten().collect();
    assert_eq!(rotated.len(), 1, "two at once make one");
    let next = &rotated[0];
    assert!(find(&next.token(), second(10)).await.is_some());
    assert!(find(&first.token(), second(11)).await.is_some(), "requests under way");
    assert_eq!(find(&first.token(), second(10) + SESSION_OVERLAP).await, None);
    assert_eq!(
        fresh.store.rotate_session(&first.token(), second(11)).await.unwrap(),
        None,
        "only the present one"
    );
    assert_eq!(
        find(&next.token(), second(10) + SESSION_TOKEN_LIFETIME).await,
        None,
        "not changed in time"
    );
}

async fn a_session_lasts_two_weeks_however_often_its_token_changes(fresh: Fresh) {
    let mut session = fresh.signed_in().await;
    let mut at = now();
    loop {
        at += SESSION_TOKEN_LIFETIME / 2;
        match fresh.store.rotate_session(&session.token(), at).await.unwrap() {
            Some(next) => session = next,
            None => break,
        }
    }
    assert_eq!(at, now() + SESSION_LIFETIME);
}

async fn a_role_counts_at_once_and_what_was_ended_stays_ended(fresh: Fresh) {
    let session = fresh.signed_in().await;
    fresh.join(fresh.tenant, "eve@example.com", Role::Owner).await;
    let to_member = MemberChange {
        role: Some(Role::Member),
        ..MemberChange::default()
    };
    let author = Author::system();
    let change = fresh
        .store
        .change_member(fresh.tenant, session.user, &to_member, Role::Owner, &author, second(1));
    change.await.unwrap();
    let find = async |session: &Session| fresh.store.find_session(&session.token(), second(2)).await.unwrap();
    assert_eq!(find(&session).await.unwrap().role, Role::Member);
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let end = async |tenant| {
        let ended = fresh
            .store
            .end_sessions(tenant, session.user, None, &author, second(2))
            .await;
        ended.unwrap()
    };
    assert_eq!(end(other).await, 0, "not another tenant's to end");
    assert_eq!((end(fresh.tenant).await, end(fresh.tenant).await), (1, 0));
    assert_eq!(find(&session).await, None);
    assert_eq!(
        fresh.store.rotate_session(&session.token(), second(3)).await.unwrap(),
        None
    );
}

async fn an_invitation_makes_a_member_once_and_the_later_one_counts(fresh: Fresh) {
    let (store, author) = (&fresh.store, Author::system());
    let invite = async |role, at| {
        store
            .invite(fresh.tenant, &address("ben@example.com"), role, &author, at)
            .await
            .unwrap()
    };
    let token = |invitation: &store::Invitation| Token {
        kind: TokenKind::Invitation,
        tenant: fresh.tenant,
        id: invitation.id.0,
        generation: 0,
        expires_at: invitation.expires_at,
    };
    let first = invite(Role::Admin, now()).await;
    let later = invite(Role::Sales, second(1)).await;
    assert_eq!(
        fresh.redeem(&token(&first), second(2)).await,
        None,
        "a later one took its place"
    );
    let (left, right) = (token(&later), token(&later));
    let (left, right) = tokio::join!(fresh.redeem(&left, second(3)), fresh.redeem(&right, second(3)));
    let sessions: Vec<_> = [left, right].into_iter().flatten().collect();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].role, Role::Sales);
    let again = invite(Role::Owner, second(4)).await;
    let session = fresh.redeem(&token(&again), second(5)).await.unwrap();
    assert_eq!(
        (session.user, session.role),
        (sessions[0].user, Role::Sales),
        "a member stays what they are"
    );
    let taken_back = store
        .invite(
            fresh.tenant,
            &address("eve@example.com"),
            Role::Member,
            &author,
            second(6),
        )
        .await
        .unwrap();
    assert!(
        store
            .revoke_invitation(fresh.tenant, taken_back.id, &author, second(7))
            .await
            .unwrap()
    );
    assert_eq!(fresh.redeem(&token(&taken_back), second(8)).await, None);
    let listed = store.invitations(fresh.tenant, None, 10).await.unwrap().items;
    let ended: Vec<_> = listed
        .iter()
        .map(|invitation| (invitation.accepted_at.is_some(), invitation.revoked_at.is_some()))
        .collect();
    assert_eq!(ended, [(false, true), (true, false), (true, false), (false, true)]);
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
    a_sessions_token_changes_and_the_one_before_ends_soon,
    a_session_lasts_two_weeks_however_often_its_token_changes,
    a_role_counts_at_once_and_what_was_ended_stays_ended,
    an_invitation_makes_a_member_once_and_the_later_one_counts,
    what_is_long_over_is_forgotten,
);
