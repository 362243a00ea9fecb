//! The keys of a queue as they lie in Redis, and what must hold between them.

use std::collections::{BTreeMap, BTreeSet};

use queue::{JobId, Keys};
use testkit::redis::TempRedis;
use uuid::Uuid;

pub(crate) type Bytes = Vec<u8>;

/// All keys of a queue as they lie in Redis, without its tag.
#[derive(Default)]
pub(crate) struct Keyspace {
    /// Lists and sets.
    members: BTreeMap<Bytes, Vec<Bytes>>,
    /// Sorted sets and hashes.
    pairs: BTreeMap<Bytes, Vec<(Bytes, Bytes)>>,
}

impl Keyspace {
    pub(crate) fn read(redis: &TempRedis) -> Self {
        let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
        let tag = format!("{{{}:default}}:", redis.prefix());
        let keys = redis::cmd("KEYS").arg(format!("{tag}*")).query(&mut connection);
        let (keys, mut space): (Vec<Bytes>, _) = (keys.unwrap(), Self::default());
        for key in keys {
            let name = key[tag.len()..].to_vec();
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
            let mut ask = match kind.as_str() {
                "list" => redis::cmd("LRANGE"),
                "set" => redis::cmd("SMEMBERS"),
                "zset" => redis::cmd("ZRANGE"),
                "hash" => redis::cmd("HGETALL"),
                _ => continue,
            };
            ask.arg(&key);
            match kind.as_str() {
                "list" => drop(ask.arg(0).arg(-1)),
                "zset" => drop(ask.arg(0).arg(-1).arg("WITHSCORES")),
                _ => {}
            }
            if matches!(kind.as_str(), "list" | "set") {
                space.members.insert(name, ask.query(&mut connection).unwrap());
            } else {
                space.pairs.insert(name, ask.query(&mut connection).unwrap());
            }
        }
        space
    }

    /// Lists or sets whose keys begin so, by the rest of the key.
    fn under(&self, start: &str) -> impl Iterator<Item = (&[u8], &Vec<Bytes>)> {
        let keys = self.members.iter();
        keys.filter_map(move |(key, members)| Some((key.strip_prefix(start.as_bytes())?, members)))
    }

    fn set(&self, key: &str) -> BTreeSet<Bytes> {
        self.members
            .get(key.as_bytes())
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Fields with values, or members with scores.
    fn map(&self, key: &str) -> BTreeMap<Bytes, Bytes> {
        self.pairs.get(key.as_bytes()).into_iter().flatten().cloned().collect()
    }

    /// The names of all keys.
    pub(crate) fn names(&self) -> BTreeSet<Bytes> {
        self.members.keys().chain(self.pairs.keys()).cloned().collect()
    }

    /// Checks everything; `keys` are those of the jobs there are.
    pub(crate) fn check(&self, keys: &BTreeMap<JobId, Keys>) {
        self.check_turns();
        self.check_closed();
        self.check_use(keys);
        self.check_places();
        self.check_lines();
        self.check_letters();
        let gates: BTreeSet<Bytes> = self.under("gate:").map(|(gate, _)| gate.to_vec()).collect();
        assert_eq!(self.set("gates"), gates);
    }

    /// Every list has its turn, once, and nothing else has one.
    fn check_turns(&self) {
        let mut turns: Vec<Bytes> = Vec::new();
        for (lane, members) in self.under("ring:") {
            turns.extend(members.iter().map(|member| [lane, member].concat()));
        }
        for (key, tenants) in self.under("closed:") {
            let (lane, limit) = (&key[..1], &key[2..]);
            turns.extend(tenants.iter().map(|tenant| [lane, tenant, limit].concat()));
        }
        turns.sort();
        let lists: Vec<Bytes> = self.under("w:").map(|(place, _)| place.to_vec()).collect();
        assert_eq!(turns, lists, "turns, and lists that need one");
    }

    /// A key behind which somebody waits opens some time: at a time, or with the end of a run, or when somebody on a ring
    /// has its turn, or when it gets another limit.
    fn check_closed(&self) {
        let (shut, limits) = (self.map("shut"), self.map("limits"));
        let closed: BTreeSet<Bytes> = self.under("closed:").map(|(key, _)| key[2..].to_vec()).collect();
        assert_eq!(closed, shut.keys().cloned().collect(), "closed, and to be opened");
        for (key, _) in shut.iter().filter(|(_, opens)| *opens == b"inf") {
            let is_used = self.under("use:").any(|(used, _)| used == key.as_slice());
            let has_turn = self
                .under("ring:")
                .any(|(_, members)| members.iter().any(|member| &member[16..] == key));
            let is_off = limits
                .get(key)
                .is_some_and(|limit| limit.split(|byte| *byte == b' ').nth(1) == Some(b"0"));
            assert!(
                is_used || has_turn || is_off,
                "{} never opens",
                String::from_utf8_lossy(key)
            );
        }
    }

    /// Who is counted under a key is who runs.
    fn check_use(&self, keys: &BTreeMap<JobId, Keys>) {
        let mut runs: BTreeMap<Bytes, BTreeSet<Bytes>> = BTreeMap::new();
        for id in self.under("run:").flat_map(|(_, ids)| ids) {
            let id_of = JobId(Uuid::from_slice(id).unwrap());
            if let Some(key) = &keys[&id_of].limit {
                runs.entry(key.as_str().into()).or_default().insert(id.clone());
            }
        }
        let counted = self
            .under("use:")
            .map(|(key, ids)| (key.to_vec(), ids.iter().cloned().collect()));
        assert_eq!(counted.collect::<BTreeMap<_, _>>(), runs);
        assert_eq!(self.set("used"), runs.into_keys().collect());
    }

    /// Every job is in one place.
    fn check_places(&self) {
        let ids = |start: &str| -> Vec<Bytes> { self.under(start).flat_map(|(_, ids)| ids.iter().map(id)).collect() };
        let scheduled: Vec<Bytes> = self.map("sched").keys().map(scheduled_id).collect();
        let mut places = [ids("w:"), ids("run:"), scheduled.clone()].concat();
        places.extend(self.set("behind"));
        places.extend(self.map("parked").into_keys());
        places.sort();
        let jobs: Vec<Bytes> = self.map("jobs").into_keys().collect();
        assert_eq!(places, jobs, "places, and jobs");
        let joining: BTreeSet<Bytes> = self.map("joining").into_keys().collect();
        assert!(scheduled.into_iter().collect::<BTreeSet<_>>().is_superset(&joining));
    }

    /// Every letter is in the bucket it says, or loose, and every bucket says what it holds.
    fn check_letters(&self) {
        let letters: BTreeSet<Bytes> = self.map("dead").into_keys().collect();
        assert_eq!(
            letters,
            self.map("dead:at").into_keys().collect(),
            "letters, and when they died"
        );
        let (loose, buckets) = (self.map("dead:loose"), self.map("dead:in"));
        assert_eq!(letters.len(), loose.len() + buckets.len());
        assert!(loose.keys().chain(buckets.keys()).all(|id| letters.contains(id)));
        let mut found: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        for (key, members) in &self.pairs {
            if let Some(bucket) = key.strip_prefix(b"dead:b:") {
                found.extend(members.iter().map(|(id, _)| (id.clone(), bucket.to_vec())));
            }
        }
        assert_eq!(found, buckets, "who is in which bucket");
        let named: BTreeSet<Bytes> = buckets.into_values().collect();
        assert_eq!(
            named,
            self.map("dead:buckets").into_keys().collect(),
            "buckets, and what they hold"
        );
    }

    fn check_lines(&self) {
        let behind = self.set("behind");
        let elements = self.under("line:").flat_map(|(_, elements)| elements).map(id);
        let (heads, others): (Vec<_>, Vec<_>) = elements.partition(|id| !behind.contains(id));
        assert_eq!(heads.len(), self.under("line:").count(), "each line has one head");
        assert_eq!(others.into_iter().collect::<BTreeSet<_>>(), behind);
    }
}

fn id(member: &Bytes) -> Bytes {
    member[..16].to_vec()
}

/// Of jobs that will join their lines the id stands behind a number.
fn scheduled_id(member: &Bytes) -> Bytes {
    if member.len() == 32 {
        member[16..].to_vec()
    } else {
        id(member)
    }
}
