//! Holds a vault against the books: nothing acknowledged is lost or wrong, no card is there twice or cannot be found.

use super::ledger::{Key, Ledger, Token};
use super::worker::is_mask_of;
use super::{MERCHANTS, Site, merchant_name, pool, roots, takes_part};
use crate::promised::{self, HALVES, digits, number, random};
use panseal::card::{Pan, Separators};
use panseal::keys::KeyState;
use panseal::vault::{AuditQuery, Instrument, ListQuery, Vault, now};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// What a purge makes of the half-written rows that are looked for: it has one line for all that it removed.
const PURGED: [&str; 2] = [
    "a line of the audit trail for a token that was never made",
    "an idempotency key whose token is not there",
];
/// How many tokens are detokenized in the end.
const READ: usize = 200;
/// All columns, one row, of a store that counts by SQL.
type Count<'c> = &'c mut dyn FnMut(&str) -> i64;

/// What is wrong, in words; nothing where all is well.
#[derive(Default)]
pub struct Faults(BTreeMap<String, Vec<String>>);

impl Faults {
    fn add(&mut self, kind: &str, what: impl Into<String>) {
        self.0.entry(kind.to_owned()).or_default().push(what.into());
    }

    /// Whether there is one of a kind.
    pub fn has(&self, kind: &str) -> bool {
        self.0.contains_key(kind)
    }

    /// A line for each kind: how many, and the first of them.
    pub fn lines(&self) -> Vec<String> {
        let line = |(kind, all): (&String, &Vec<String>)| {
            format!("{}: {}: {}", kind, all.len(), all.iter().take(3).cloned().collect::<Vec<_>>().join("; "))
        };
        self.0.iter().map(line).collect()
    }
}

/// Looks at everything, brings all key changes to their end, and looks again.
pub fn judge(site: &Site, count: Count<'_>) -> (Faults, Ledger) {
    let books = site.books();
    let ledger = Ledger::read(books.iter().map(|book| book.as_path()));
    let mut faults = Faults::default();
    for wrong in &ledger.wrong {
        faults.add("noticed meanwhile", wrong);
    }
    let opened = roots::settle(site).and_then(|()| promised::open(&site.url, &site.root()));
    let vault = match opened {
        Ok(vault) => vault,
        Err(error) => {
            faults.add("does not open", error.code().name());
            return (faults, ledger);
        }
    };
    compare(&vault, &ledger, false, count, &mut faults);
    audit(&vault, &ledger, &mut faults);
    agree(&ledger, &mut faults);
    if let Err(error) = finish(&vault, &ledger) {
        faults.add("cannot be finished", error.code().name());
        return (faults, ledger);
    }
    drop(vault);
    let vault = promised::open(&site.url, &site.root()).expect("a vault that was open just now");
    compare(&vault, &ledger, true, count, &mut faults);
    keys(&vault, &mut faults);
    (faults, ledger)
}

/// Purges what may go, and brings the key changes that were under way to their end.
fn finish(vault: &Vault, ledger: &Ledger) -> panseal::error::Result<()> {
    let last = ledger.tokens.values().map(|token| token.keep_until).max().unwrap_or(0);
    while now() <= last {
        std::thread::sleep(Duration::from_millis(50));
    }
    for merchant in MERCHANTS {
        vault.merchant(merchant_name(merchant))?.purge_expired()?;
    }
    let of_all = ["rotate", "rewrap", "destroy", "change_index"];
    if of_all.iter().all(|verb| takes_part(verb)) {
        vault.change_index(&mut |_, _| true)?;
        vault.rotate()?;
        vault.rewrap(&mut |_, _| true)?;
        for old in vault.status()?.epochs.iter().filter(|of| of.key.state == KeyState::DecryptOnly) {
            vault.destroy(old.key.id)?;
        }
    }
    Ok(())
}

fn compare(vault: &Vault, ledger: &Ledger, purged: bool, count: Count<'_>, faults: &mut Faults) {
    let mut cards = 0;
    let mut unknown = 0;
    for merchant in MERCHANTS {
        let vault = vault.merchant(merchant_name(merchant)).unwrap();
        let there = all_instruments(&vault);
        for ((_, token), state) in ledger.tokens.iter().filter(|((of, _), _)| of == merchant) {
            judge_token(token, state, there.get(token), purged, faults);
        }
        let given = |token: &&String| ledger.tokens.contains_key(&(merchant.to_owned(), (*token).clone()));
        unknown += there.keys().filter(|token| !given(token)).count() as i64;
        cards += find_all(&vault, &there, faults);
        if purged {
            read_some(&vault, ledger, merchant, &there, faults);
        }
        customers(&vault, ledger, merchant, faults);
    }
    match vault.check_vault(&mut |_, _| true) {
        Ok(report) => {
            for row in report.damaged {
                faults.add("check", format!("{:?}", row));
            }
        }
        Err(error) => faults.add("check", error.code().name()),
    }
    if unknown > ledger.in_doubt {
        faults.add("not asked for", format!("{unknown} tokens, {} in doubt", ledger.in_doubt));
    }
    let rows = count("select count(*) from card");
    if rows != cards as i64 {
        faults.add("card rows", format!("{rows} for {cards} cards"));
    }
    for (what, sql) in HALVES.iter().filter(|(what, _)| !PURGED.contains(what)) {
        if count(sql) != 0 {
            faults.add("half there", *what);
        }
    }
    if purged && takes_part("change_index") {
        let prints = count("select count(*) from card_fp");
        if prints != rows {
            faults.add("fingerprints", format!("{prints} for {rows} cards"));
        }
    }
}

fn all_instruments(vault: &Vault) -> HashMap<String, Instrument> {
    let mut there = HashMap::new();
    let mut after: Option<String> = None;
    loop {
        let query = ListQuery { after: after.as_deref(), limit: 1000, ..ListQuery::default() };
        let page = vault.list(&query).expect("a list");
        after = page.last().map(|last| last.token.to_string());
        let full = page.len() == 1000;
        there.extend(page.into_iter().map(|instrument| (instrument.token.to_string(), instrument)));
        if !full {
            return there;
        }
    }
}

fn judge_token(token: &str, state: &Token, found: Option<&Instrument>, purged: bool, faults: &mut Faults) {
    let there = match state.keep_until {
        0 => state.there,
        until if now() < until => state.there,
        _ if purged => Some(false),
        _ => None,
    };
    let Some(found) = found else {
        if there == Some(true) {
            faults.add("lost", token);
        }
        return;
    };
    if there == Some(false) {
        faults.add("deleted and there", token);
    }
    if found.damaged {
        faults.add("damaged", token);
    }
    let year = found.expiry.map_or(0, |expiry| i32::from(expiry.year()));
    let good = is_mask_of(found.masked.as_str(), &state.number)
        && state.active.is_none_or(|active| active == found.active)
        && state.years.contains(&year);
    if !good {
        faults.add("wrong", token);
    }
}

/// Every token is found by its number, which is there once. Gives how many numbers there are.
fn find_all(vault: &Vault, there: &HashMap<String, Instrument>, faults: &mut Faults) -> usize {
    let places = [pool::OWN, pool::SHARED, pool::ONCE, pool::OLD].into_iter().flatten();
    let mut cards = 0;
    for number in places.map(|place| number(place as usize)) {
        let of_number: BTreeSet<&str> = there
            .iter()
            .filter(|(_, instrument)| is_mask_of(instrument.masked.as_str(), &number))
            .map(|(token, _)| token.as_str())
            .collect();
        cards += usize::from(!of_number.is_empty());
        let pan = Pan::parse(number.as_bytes(), Separators::Dropped).ok().unwrap();
        match vault.find(&pan) {
            Ok(found) => {
                let found: BTreeSet<&str> = found.iter().map(|one| one.token.as_str()).collect();
                for token in of_number.symmetric_difference(&found) {
                    faults.add("not found by its number", *token);
                }
            }
            Err(error) => faults.add("not found by its number", error.code().name()),
        }
    }
    cards
}

fn read_some(
    vault: &Vault,
    ledger: &Ledger,
    merchant: &str,
    there: &HashMap<String, Instrument>,
    faults: &mut Faults,
) {
    let tokens: Vec<&String> =
        there.iter().filter(|(_, instrument)| instrument.active).map(|(token, _)| token).collect();
    for _ in 0..READ.min(tokens.len()) {
        let token = tokens[random(tokens.len() as u64) as usize];
        let Some(state) = ledger.tokens.get(&(merchant.to_owned(), token.clone())) else { continue };
        if !digits(vault, token).is_ok_and(|found| found == state.number) {
            faults.add("wrong number", token);
        }
    }
}

fn customers(vault: &Vault, ledger: &Ledger, merchant: &str, faults: &mut Faults) {
    for ((_, id), state) in ledger.customers.iter().filter(|((of, _), _)| of == merchant) {
        let good = match vault.customer(id) {
            Ok(Some(found)) => state.there != Some(false) && state.data.contains(&*found.data),
            Ok(None) => state.there != Some(true),
            Err(_) => false,
        };
        if !good {
            faults.add("customer", id);
        }
    }
}

/// What was read is on record with its reason, what was given has a line.
fn audit(vault: &Vault, ledger: &Ledger, faults: &mut Faults) {
    match vault.verify_audit(None) {
        Ok(report) => {
            report.fault.into_iter().for_each(|fault| faults.add("audit trail", format!("{fault:?}")))
        }
        Err(error) => faults.add("audit trail", error.code().name()),
    }
    let (mut reasons, mut made) = (HashSet::new(), HashSet::new());
    for merchant in MERCHANTS {
        let vault = vault.merchant(merchant_name(merchant)).unwrap();
        let mut after = None;
        loop {
            let lines =
                vault.audit(&AuditQuery { after, limit: 1000, ..AuditQuery::default() }).expect("lines");
            for line in &lines {
                let key: Key = (merchant.to_owned(), line.token().to_owned());
                match line.action() {
                    "detokenize" => drop(reasons.insert((key, line.reason().to_owned()))),
                    "tokenize" => drop(made.insert(key)),
                    _ => {}
                }
            }
            after = lines.last().map(|line| line.id());
            if lines.len() < 1000 {
                break;
            }
        }
    }
    for read in ledger.reads.iter().filter(|read| !reasons.contains(*read)) {
        faults.add("read without a line", &read.1);
    }
    for token in ledger.tokens.keys().filter(|token| !made.contains(*token)) {
        faults.add("made without a line", &token.1);
    }
}

/// Whoever was led by the same number or key was led to the same token; what can be first only once was.
fn agree(ledger: &Ledger, faults: &mut Faults) {
    for ((_, name), tokens) in ledger.one.iter().filter(|(_, tokens)| tokens.len() > 1) {
        faults.add("led to several", format!("{name}: {tokens:?}"));
    }
    for ((_, name), _) in ledger.firsts.iter().filter(|(_, times)| **times > 1) {
        faults.add("first more than once", name);
    }
}

/// One key of each kind is left, and holds everything.
fn keys(vault: &Vault, faults: &mut Faults) {
    let status = vault.status().expect("the status");
    if takes_part("destroy") && takes_part("rewrap") && takes_part("rotate") && takes_part("change_index") {
        let epochs = status.epochs.iter().filter(|of| of.key.is_live()).count();
        let index = status.index.iter().filter(|key| key.is_live()).count();
        if (epochs, index) != (1, 1) {
            faults.add("keys left", format!("{epochs} epochs, {index} index keys"));
        }
    }
}
