//! The rows of the audit trail: lines in chains, the main chains that join them, and where a writer stands in its chains.
//!
//! What is in a row and how it is chained is explained in `docs/vault.md`. A store keeps these rows and knows no MAC's
//! meaning.

use super::{Id, again};
use crate::error::{Code, Error, Result};
use std::cell::RefMut;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Length of a line's MAC, in bytes.
pub const MAC_LEN: usize = 16;
/// What chains a line to its predecessor.
pub type Mac = [u8; MAC_LEN];

/// The number of the main chain that is the vault's own: no merchant has it.
pub const VAULT: i64 = 0;

/// What lines tell of, each by its place. On disk stands the place plus one: names may be added at the end alone.
const ACTIONS: [&str; 21] = [
    "tokenize",
    "reuse",
    "refuse",
    "detokenize",
    "update",
    "deactivate",
    "reactivate",
    "delete",
    "purge",
    "customer",
    "claim",
    "grant",
    "revoke",
    "rotate",
    "rewrap",
    "destroy",
    "change_index",
    "change_root",
    "settings",
    "prune",
    "end",
];

/// What a line tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action(u8);

impl Action {
    /// The end of a chain: its writer is gone.
    pub const END: Action = Action(20);

    /// By its name. `Internal` where there is none of that name.
    pub fn of(name: &str) -> Result<Action> {
        let place = ACTIONS.iter().position(|action| *action == name);
        place.map(|place| Action(place as u8)).ok_or_else(|| Code::Internal.into())
    }

    /// By its number on disk. `Tampered` where there is none.
    pub fn from_number(number: i64) -> Result<Action> {
        let place = number.checked_sub(1).and_then(|place| u8::try_from(place).ok());
        let known = place.filter(|place| usize::from(*place) < ACTIONS.len());
        known.map(Action).ok_or_else(|| Code::Tampered.into())
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        ACTIONS[usize::from(self.0)]
    }

    /// Its number on disk.
    pub fn number(self) -> i64 {
        i64::from(self.0) + 1
    }

    /// SQL that makes the number of the column `action`, for a trail that has names.
    pub fn numbered(column: &str) -> String {
        let names =
            ACTIONS.iter().enumerate().map(|(place, name)| format!("when '{name}' then {}", place + 1));
        format!("case {column} {} else 0 end", names.collect::<Vec<_>>().join(" "))
    }
}

/// Who did what to which token, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Seconds since 1970 UTC.
    pub at: i64,
    /// Who acts.
    pub actor: String,
    /// The verb.
    pub action: Action,
    /// The token acted on, or empty.
    pub token: String,
    /// Why, or empty.
    pub reason: String,
}

/// A line at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The chain, by its opening line's place in the main chain.
    pub chain: i64,
    /// The place in the chain, from 1.
    pub seq: i64,
    /// What it says.
    pub row: AuditRow,
    /// The id that it had before there were chains.
    pub old: Option<Id>,
    /// Over all of this, and the predecessor's.
    pub mac: Mac,
}

/// What a line of a main chain says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A chain begins.
    Open = 1,
    /// Lines of a chain are there.
    Join = 2,
    /// The same, and the last of them is the chain's end.
    End = 3,
    /// What was before is gone.
    Prune = 4,
    /// The last lines of merchants' main chains.
    Anchor = 5,
}

impl Kind {
    /// By its number on disk.
    pub fn from_number(number: i64) -> Result<Kind> {
        let all = [Kind::Open, Kind::Join, Kind::End, Kind::Prune, Kind::Anchor];
        all.into_iter().find(|kind| *kind as i64 == number).ok_or_else(|| Code::Tampered.into())
    }
}

/// A line of a main chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainLine {
    /// Its place, from 1.
    pub seq: i64,
    /// What it says.
    pub kind: Kind,
    /// Of this chain, or 0.
    pub chain: i64,
    /// The first line that it joins, or 0.
    pub first: i64,
    /// The last one.
    pub last: i64,
    /// The last one's MAC.
    pub link: Vec<u8>,
    /// Seconds since 1970 UTC.
    pub at: i64,
    /// What else it says.
    pub body: Vec<u8>,
    /// Over all of this, and the predecessor's.
    pub mac: Mac,
}

/// A chain that is not ended, and how far it is joined. Of [`VAULT`]: a merchant, and how far it is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainRow {
    /// The chain.
    pub id: i64,
    /// The last line that is joined, or 0.
    pub joined: i64,
    /// When that was, in seconds since 1970 UTC.
    pub at: i64,
}

/// Some lines of a chain, from first to last.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The chain.
    pub chain: i64,
    /// The first line.
    pub first: i64,
    /// The last one.
    pub last: i64,
}

/// The rows of the audit trail. Merchants are numbers here.
pub trait AuditRows {
    /// A merchant's number, or 0.
    fn tenant_of(&self, merchant: &str) -> Result<i64>;
    /// A merchant's number, which it gets where it has none.
    fn tenant_made(&self, merchant: &str) -> Result<i64>;
    /// Merchants in the order of their numbers, those behind a number.
    fn tenants(&self, after: i64, limit: usize) -> Result<Vec<(i64, String)>>;
    /// Where the writer stands. `Internal` outside a transaction.
    fn lane(&self) -> Result<RefMut<'_, Lane>>;
    /// Keeps others off a main chain until the transaction ends.
    fn lock_main(&self, tenant: i64) -> Result<()>;

    /// The MAC of a line, where it is there.
    fn line_mac(&self, tenant: i64, chain: i64, seq: i64) -> Result<Option<Mac>>;
    /// The last line of a chain.
    fn last_line(&self, tenant: i64, chain: i64) -> Result<Option<Line>>;
    /// The lines of spans, in the order of the spans, about a token alone if it is given; but for the ends of chains.
    fn lines(&self, tenant: i64, spans: &[Span], token: Option<&str>, limit: usize) -> Result<Vec<Line>>;
    /// The lines of a merchant in the order of chain and place, those behind a place.
    fn all_lines(&self, tenant: i64, after: (i64, i64), limit: usize) -> Result<Vec<Line>>;
    /// New lines. Again, where one of the places is taken.
    fn insert_lines(&self, tenant: i64, lines: &[Line]) -> Result<()>;
    /// Removes lines, and says how many.
    fn delete_lines(&self, tenant: i64, span: Span) -> Result<u64>;
    /// How many of a merchant's old lines have an id up to this one.
    fn old_up_to(&self, tenant: i64, id: &Id) -> Result<i64>;
    /// Gives an old line its MAC.
    fn seal_old(&self, tenant: i64, line: &Line) -> Result<()>;
    /// Lines and main lines of merchants that are not there: tenant, chain or 0, place.
    fn strays(&self) -> Result<Option<(i64, i64, i64)>>;

    /// A new line of a main chain. Again, where the place is taken.
    fn insert_main(&self, tenant: i64, line: &MainLine) -> Result<()>;
    /// The lines of a main chain from a place on.
    fn main_lines(&self, tenant: i64, from: i64, limit: usize) -> Result<Vec<MainLine>>;
    /// The last line of a main chain, or the last one of a kind.
    fn last_main(&self, tenant: i64, kind: Option<Kind>) -> Result<Option<MainLine>>;
    /// Removes the lines of a main chain before a place, and says how many.
    fn delete_main(&self, tenant: i64, before: i64) -> Result<u64>;

    /// The chains that are not ended.
    fn chains(&self, tenant: i64) -> Result<Vec<ChainRow>>;
    /// Notes how far a chain is joined; a new one is added.
    fn put_chain(&self, tenant: i64, chain: &ChainRow) -> Result<()>;
    /// Removes a chain that is ended.
    fn delete_chain(&self, tenant: i64, id: i64) -> Result<()>;
    /// The merchants that have lines which are not joined; asked for one, that one at most.
    fn unjoined(&self, tenant: Option<i64>) -> Result<Vec<i64>>;
}

/// Where a writer stands in a chain: the last line that it has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: i64,
    /// The last line's place, 0 before the first.
    pub seq: i64,
    /// The last line's MAC, before the first that of the opening line.
    pub mac: Mac,
}

/// How many merchants' chains are remembered before all are forgotten.
const MOST: usize = 10_000;

/// What writes serially: where it stands in its chains, one a merchant.
#[derive(Default)]
pub struct Lane {
    heads: BTreeMap<Box<str>, Head>,
    /// What the running transaction has changed, in the order of its changes.
    before: Vec<(Box<str>, Option<Head>)>,
    /// The first line of the running transaction.
    first: Option<(i64, i64, Mac)>,
    /// How many transactions in a row had to be run again.
    setbacks: u32,
}

impl Lane {
    /// Where it stands in a merchant's chain.
    pub fn head(&self, merchant: &str) -> Option<Head> {
        self.heads.get(merchant).copied()
    }

    /// Goes on to another place, as long as the transaction is not undone; without one to no chain.
    pub fn set(&mut self, merchant: &str, head: Option<Head>) {
        let known = self.heads.get_mut(merchant);
        let was = match (head, known) {
            (Some(head), Some(known)) => Some(std::mem::replace(known, head)),
            (Some(head), None) => self.heads.insert(merchant.into(), head),
            (None, _) => self.heads.remove(merchant),
        };
        self.before.push((merchant.into(), was));
    }

    /// Notes the first line of the running transaction.
    pub fn note_first(&mut self, line: &Line) {
        self.first.get_or_insert((line.chain, line.seq, line.mac));
    }

    /// Whether nobody writes in it any more.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// A transaction is to be run again; says whether that has happened often enough to look what stands in its way.
    pub fn is_set_back(&mut self) -> bool {
        self.setbacks += 1;
        self.setbacks % 4 == 0
    }

    /// How much was changed, for [`Lane::undo_to`].
    pub fn mark(&self) -> usize {
        self.before.len()
    }

    /// Undoes what was changed since.
    pub fn undo_to(&mut self, mark: usize) {
        while self.before.len() > mark {
            let Some((merchant, was)) = self.before.pop() else { return };
            match was {
                Some(head) => self.heads.insert(merchant, head),
                None => self.heads.remove(&merchant),
            };
        }
    }

    /// The transaction is over, without effects.
    pub fn undo(&mut self) {
        self.undo_to(0);
        self.first = None;
    }

    /// The transaction is over, with its effects.
    pub fn keep(&mut self) {
        self.before.clear();
        (self.first, self.setbacks) = (None, 0);
        if self.heads.len() > MOST {
            self.heads.clear();
        }
    }
}

/// What a call holds on to between its transactions: in PostgreSQL a lane, and what it knows of those in doubt.
#[derive(Default)]
pub struct Held {
    /// Whose chains the lane should know.
    pub merchant: Arc<str>,
    /// The lane, once the first transaction has taken one.
    pub lane: Option<Lane>,
    tried: Vec<Tried>,
}

/// A transaction whose commit is in doubt: its first line, and where the lane stands if it was committed.
struct Tried {
    first: (i64, i64, Mac),
    heads: Vec<(Box<str>, Head)>,
}

impl Held {
    /// For a merchant's lines.
    pub fn of(merchant: &Arc<str>) -> Held {
        Held { merchant: Arc::clone(merchant), ..Held::default() }
    }

    /// Notes that it is in doubt whether the lane's transaction was committed, and goes back to where it began.
    #[cfg(feature = "postgres")]
    pub fn doubt(&mut self) {
        let Some(lane) = &mut self.lane else { return };
        let changed = lane.before.iter().map(|(merchant, _)| merchant.clone());
        let heads = changed.filter_map(|merchant| Some((merchant.clone(), lane.head(&merchant)?))).collect();
        if let Some(first) = lane.first {
            self.tried.push(Tried { first, heads });
        }
        lane.undo();
    }

    /// The first lines of transactions in doubt: chain and place.
    pub fn tried(&self) -> impl Iterator<Item = (i64, i64)> {
        self.tried.iter().map(|tried| (tried.first.0, tried.first.1))
    }

    /// Whether the line at a place, by its MAC, is that of a transaction in doubt. Then that was committed, and the lane
    /// stands behind it.
    pub fn was_done(&mut self, (chain, seq): (i64, i64), mac: Mac) -> bool {
        let is_it = |tried: &Tried| tried.first == (chain, seq, mac);
        let Some(place) = self.tried.iter().position(is_it) else { return false };
        let done = self.tried.swap_remove(place);
        if let Some(lane) = &mut self.lane {
            done.heads.into_iter().for_each(|(merchant, head)| lane.set(&merchant, Some(head)));
            lane.keep();
        }
        true
    }

    /// None of them can be committed any more.
    pub fn forget_tried(&mut self) {
        self.tried.clear();
    }
}

/// The system code of [`no_chain`], which no database has.
const NO_CHAIN: i32 = i32::MIN + 1;

/// The writer has no chain for this merchant: the transaction had no effect, and is to be run again when there is one.
pub fn no_chain() -> Error {
    Error::system(Code::Busy, NO_CHAIN)
}

/// Whether an error says that a chain is to be opened first.
pub fn is_no_chain(error: &Error) -> bool {
    error.code() == Code::Busy && error.system_code() == NO_CHAIN
}

/// Again, where a row was not new.
pub fn new_or_again(new: bool) -> Result<()> {
    if new { Ok(()) } else { Err(again()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: i64) -> Head {
        Head { chain: 1, seq, mac: [seq as u8; MAC_LEN] }
    }

    #[test]
    fn a_transaction_that_is_undone_leaves_the_lane_where_it_was() {
        let mut lane = Lane::default();
        lane.set("a", Some(head(1)));
        lane.keep();
        lane.set("a", Some(head(2)));
        let mark = lane.mark();
        lane.set("a", Some(head(3)));
        lane.set("b", Some(head(1)));
        lane.undo_to(mark);
        assert_eq!((lane.head("a"), lane.head("b")), (Some(head(2)), None));
        lane.set("a", None);
        lane.undo();
        assert_eq!(lane.head("a"), Some(head(1)));
    }

    #[test]
    fn each_action_has_a_number_of_its_own() {
        for name in ACTIONS {
            let action = Action::of(name).unwrap();
            assert_eq!((action.name(), Action::from_number(action.number()).unwrap()), (name, action));
        }
        assert_eq!(Action::END.name(), "end");
        assert!(Action::from_number(0).is_err() && Action::from_number(ACTIONS.len() as i64 + 1).is_err());
    }
}
