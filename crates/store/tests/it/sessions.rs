//! Being in: sessions, and the invitations that let somebody in.

use domain::sign_in::{SESSION_LIFETIME, SESSION_OVERLAP, SESSION_TOKEN_LIFETIME};
use domain::{Author, Role, Token, TokenKind};
use store::{MemberChange, Session};

use crate::fresh::{Fresh, now, second};
use crate::sign_in_links::{address, of_link};

impl Fresh {
    /// Ben, an owner, is in.
    pub(crate) async fn signed_in(&self) -> Session {
        self.join(self.tenant, "ben@example.com", Role::Owner).await;
        let link = self.links("ben@example.com", None, 1).await.remove(0);
        self.redeem(&of_link(&link), now()).await.unwrap()
    }
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

both!(
    a_sessions_token_changes_and_the_one_before_ends_soon,
    a_session_lasts_two_weeks_however_often_its_token_changes,
    a_role_counts_at_once_and_what_was_ended_stays_ended,
    an_invitation_makes_a_member_once_and_the_later_one_counts,
);
