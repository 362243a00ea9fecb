//! Whether everything can still come to an end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use stateright::Model as _;

use crate::protocol::Protocol;
use crate::world::World;

/// From how many reachable states no end can be reached although nothing more goes wrong, of how many in all. An end is a
/// state in which every job is done or dead.
pub(crate) fn dead_ends(protocol: &Protocol) -> (usize, usize) {
    let mut numbers: HashMap<World, u32> = HashMap::new();
    let mut before: Vec<Vec<u32>> = Vec::new();
    let mut open: Vec<World> = Vec::new();
    let mut ended: Vec<u32> = Vec::new();
    let mut number_of = |world: World, open: &mut Vec<World>, before: &mut Vec<Vec<u32>>| {
        let next = u32::try_from(before.len()).unwrap();
        match numbers.entry(world) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                open.push(new.key().clone());
                if new.key().store.rows.iter().all(Option::is_none) {
                    ended.push(next);
                }
                before.push(Vec::new());
                *new.insert(next)
            }
        }
    };
    for world in protocol.init_states() {
        number_of(world, &mut open, &mut before);
    }
    while let Some(world) = open.pop() {
        let from = number_of(world.clone(), &mut open, &mut before);
        for (action, next) in protocol.next_steps(&world) {
            let is_fair = action.is_fair(&world);
            let to = number_of(next, &mut open, &mut before);
            if is_fair {
                before[to as usize].push(from);
            }
        }
    }

    let mut can_end = vec![false; before.len()];
    while let Some(state) = ended.pop() {
        if !std::mem::replace(&mut can_end[state as usize], true) {
            ended.extend(&before[state as usize]);
        }
    }
    (can_end.iter().filter(|can| !**can).count(), before.len())
}
