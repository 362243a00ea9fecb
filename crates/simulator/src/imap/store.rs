//! Flags are set and taken away.

use std::io;

use super::session::{Next, Session, bad, done};
use super::set::Set;
use super::token::Token;

/// What is done with flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
    Replace,
}

impl Session {
    pub(super) async fn store(&mut self, address: &str, arguments: &[Token], by_uid: bool) -> io::Result<Next> {
        let Some((set, change, is_silent, flags)) = read(arguments) else {
            return Ok(bad());
        };
        let Some(selected) = &self.selected else {
            return Ok(bad());
        };
        if selected.is_read_only {
            return Ok(done("NO [READ-ONLY] Nothing can be changed"));
        }
        let count = selected.uids.len().try_into().unwrap_or(u32::MAX);
        let last = if by_uid {
            selected.uids.last().copied().unwrap_or(0)
        } else {
            count
        };
        let told: Vec<_> = self.world.look(|state| {
            let numbered = selected.uids.iter().zip(1_u32..);
            let chosen = numbered.filter(|(uid, number)| set.has(if by_uid { **uid } else { *number }, last));
            let changed = chosen.filter_map(|(uid, number)| {
                let mail = state.mailboxes.mail_mut(address, *uid)?;
                if change == Change::Replace {
                    mail.flags.clear();
                }
                for flag in &flags {
                    mail.set_flag(flag, change != Change::Remove);
                }
                let uid = if by_uid { format!("UID {uid} ") } else { String::new() };
                Some(format!("* {number} FETCH ({uid}FLAGS ({}))", mail.flags.join(" ")))
            });
            changed.collect()
        });
        if !is_silent {
            for line in told {
                self.say(&line).await?;
            }
        }
        Ok(done("OK Done"))
    }
}

fn read(arguments: &[Token]) -> Option<(Set, Change, bool, Vec<String>)> {
    let [set, what, flags @ ..] = arguments else {
        return None;
    };
    let what = what.text()?.to_ascii_uppercase();
    let (what, is_silent) = what
        .strip_suffix(".SILENT")
        .map_or((what.as_str(), false), |what| (what, true));
    let change = match what {
        "+FLAGS" => Change::Add,
        "-FLAGS" => Change::Remove,
        "FLAGS" => Change::Replace,
        _ => return None,
    };
    let flags = flags.iter().filter_map(Token::text).map(str::to_owned).collect();
    Some((Set::read(set.text()?)?, change, is_silent, flags))
}
