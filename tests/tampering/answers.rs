//! All that can be asked of a vault, and what it answers.

use super::promised::{self, Place};
use panseal::card::{CardInput, Pan, Separators, check};
use panseal::error::{Code, Result};
use panseal::vault::{AuditQuery, Customer, ListQuery, OpenOptions, TokenizeOptions, Vault};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What was written into the vault, which its writer remembers.
pub struct Ledger {
    pub merchants: Vec<String>,
    pub tokens: Vec<Kept>,
    pub customers: Vec<(String, String)>,
    pub bearers: Vec<String>,
    pub signing: Vec<String>,
    pub head: [u8; 32],
}

pub struct Kept {
    pub merchant: String,
    pub token: String,
    pub number: String,
    pub customer: String,
    pub key: String,
}

/// What was asked, and what the answer was.
pub type Answers = BTreeMap<String, Result<String, Code>>;

/// Asks everything. Rows that are damaged and faults of the trail are answers too, as errors.
pub fn ask(place: &Place, ledger: &Ledger) -> Answers {
    let mut answers = Answers::new();
    let busy_timeout = Duration::from_millis(500);
    let opened = place.open_with(|options| OpenOptions { busy_timeout, ..options });
    let mut note = |what: String, answer: Result<String>| {
        answers.insert(what, answer.map_err(|error| error.code()));
    };
    match opened {
        Err(error) => note("open".into(), Err(error)),
        Ok(vault) => {
            ask_of_all(&vault, ledger, &mut note);
            for merchant in &ledger.merchants {
                ask_of_merchant(&vault.merchant(merchant).unwrap(), &mut note);
            }
            for kept in &ledger.tokens {
                ask_of_token(&vault.merchant(&kept.merchant).unwrap(), kept, &mut note);
            }
            // Last, for these write.
            for kept in &ledger.tokens {
                let vault = vault.merchant(&kept.merchant).unwrap();
                note(format!("detokenize {}", kept.token), promised::digits(&vault, &kept.token));
                if !kept.key.is_empty() {
                    note(format!("repeat {} {}", kept.merchant, kept.key), repeat(&vault, kept));
                }
            }
        }
    }
    answers
}

type Note<'n> = &'n mut dyn FnMut(String, Result<String>);

/// An answer that tells of damage.
fn damage<T>() -> Result<T> {
    Err(Code::Tampered.into())
}

fn ask_of_all(vault: &Vault, ledger: &Ledger, note: Note<'_>) {
    let verified = vault.verify_audit(Some(&ledger.head));
    note("verify".into(), verified.and_then(|report| report.fault.map_or(Ok(String::new()), |_| damage())));
    let checked = vault.check_vault(&mut |_, _| true);
    note(
        "check".into(),
        checked.and_then(
            |report| {
                if report.damaged.is_empty() { Ok(report.rows.to_string()) } else { damage() }
            },
        ),
    );
    let status = vault.status().and_then(|status| {
        if status.unindexed > 0 {
            return damage();
        }
        let keys = (status.generation, status.commitment, status.require_actor, status.index, status.epochs);
        Ok(format!("{} {} {keys:?}", status.cards, status.instruments))
    });
    note("status".into(), status);
    for (place, bearer) in ledger.bearers.iter().enumerate() {
        let found = vault.credential_of_bearer(bearer.as_bytes());
        note(format!("bearer {place}"), found.map(|found| format!("{found:?}")));
    }
    for id in &ledger.signing {
        let found = vault.with_signing_key(id, |key| key.to_vec());
        note(format!("signing {id}"), found.map(|found| format!("{found:?}")));
    }
    for (merchant, id) in &ledger.customers {
        let found = vault.merchant(merchant).unwrap().customer(id);
        note(format!("customer {merchant} {id}"), found.map(|found| person(found.as_ref())));
    }
}

fn ask_of_merchant(vault: &Vault, note: Note<'_>) {
    let name = vault.merchant_name().to_owned();
    let listed = vault.list_details(&ListQuery { limit: 1000, ..ListQuery::default() });
    let listed = listed.and_then(|listed| {
        if listed.iter().any(|(shown, _)| shown.damaged) {
            return damage();
        }
        Ok(lines(&listed, |(shown, details)| format!("{shown:?} {}", details.name())))
    });
    note(format!("list {name}"), listed);
    note(format!("count {name}"), vault.count(&ListQuery::default()).map(|count| count.to_string()));
    let credentials = vault.credentials("", 100);
    note(format!("credentials {name}"), credentials.map(|all| lines(&all, |one| format!("{one:?}"))));
    let customers = vault.customers("", 100);
    note(format!("customers {name}"), customers.map(|all| lines(&all, |one| person(Some(one)))));
    for reference in ["ref-1", "ref-3"] {
        let found = vault.customer_by_reference(reference);
        note(format!("reference {name} {reference}"), found.map(|found| person(found.as_ref())));
    }
    let trail = vault.audit(&AuditQuery { limit: 1000, ..AuditQuery::default() });
    let line = |line: &panseal::vault::AuditLine| {
        let words = [line.actor(), line.action(), line.token(), line.reason()];
        format!("{:?} {} {words:?}", line.id(), line.at())
    };
    note(format!("audit {name}"), trail.map(|trail| lines(&trail, line)));
}

/// A line for each.
fn lines<T>(all: &[T], line: impl Fn(&T) -> String) -> String {
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn person(customer: Option<&Customer>) -> String {
    let Some(one) = customer else { return "None".into() };
    let times = [one.created_at, one.updated_at, one.deleted_at];
    format!("{} {} {times:?} {}", one.id, one.reference, &*one.data)
}

fn ask_of_token(vault: &Vault, kept: &Kept, note: Note<'_>) {
    let details = vault.details(kept.token.as_bytes());
    let details = details.map(|(shown, details)| {
        format!("{shown:?} {} {} {:?}", details.name(), details.metadata(), details.extra())
    });
    note(format!("lookup {}", kept.token), details);
    let pan = Pan::parse(kept.number.as_bytes(), Separators::Dropped).ok().unwrap();
    let found = vault.find(&pan).and_then(|found| {
        // Whose card it is, of a row that does not open, nobody says.
        if found.iter().any(|found| found.damaged) {
            return Err(Code::Tampered.into());
        }
        let mut tokens: Vec<String> = found.iter().map(|found| found.token.to_string()).collect();
        tokens.sort();
        Ok(tokens.join("\n"))
    });
    note(format!("find {} {}", kept.merchant, kept.number), found);
}

fn repeat(vault: &Vault, kept: &Kept) -> Result<String> {
    let input = CardInput::new(kept.number.as_bytes(), promised::NOW);
    let card = check(&input).unwrap_or_else(|_| panic!("a good card"));
    let options = TokenizeOptions { idempotency_key: &kept.key, ..TokenizeOptions::of(&kept.customer) };
    let again = vault.tokenize(&card, &options)?;
    // A new token each time: what counts is that it is new.
    Ok(if again.reused { again.token.to_string() } else { "new".into() })
}

/// What an edit has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All answers are as before.
    WithoutEffect,
    /// An error, a damaged row, a fault of the trail.
    Noticed,
    /// Something is not there, or there are other numbers of things, and nothing says more.
    Missing,
    /// Something is said that is not so, and nothing says more.
    Changed,
}

/// Compares what is answered with what was. No answer may name another card than the right one, noticed or not.
pub fn judge(before: &Answers, after: &Answers, ledger: &Ledger) -> (Outcome, Vec<String>) {
    let differing: BTreeSet<&String> =
        before.keys().chain(after.keys()).filter(|what| before.get(*what) != after.get(*what)).collect();
    for kept in &ledger.tokens {
        if let Some(Ok(number)) = after.get(&format!("detokenize {}", kept.token)) {
            assert_eq!(*number, kept.number, "{} leads to another number", kept.token);
        }
        let what = format!("find {} {}", kept.merchant, kept.number);
        if let Some(Ok(tokens)) = after.get(&what) {
            let right = before[&what].as_ref().unwrap();
            for token in tokens.lines() {
                assert!(right.contains(token), "{} leads to the token of another card", kept.number);
            }
        }
    }
    let is_noticed = |what: &&String| matches!(after.get(*what), Some(Err(code)) if before.get(*what) != Some(&Err(*code)) && *code != Code::Token);
    let said = differing.iter().map(|what| format!("{what}: {:?}", after.get(*what))).collect();
    let outcome = if differing.is_empty() {
        Outcome::WithoutEffect
    } else if differing.iter().any(is_noticed) {
        Outcome::Noticed
    } else if differing.iter().all(|what| is_missing(what, before.get(*what), after.get(*what))) {
        Outcome::Missing
    } else {
        Outcome::Changed
    };
    (outcome, said)
}

/// Whether an answer tells less than before, and nothing else; or counts.
fn is_missing(
    what: &str,
    before: Option<&Result<String, Code>>,
    after: Option<&Result<String, Code>>,
) -> bool {
    if ["count", "status", "check"].iter().any(|verb| what.starts_with(verb)) {
        return true;
    }
    match (before, after) {
        (_, Some(Err(Code::Token))) | (_, None) => true,
        (Some(Ok(_)), Some(Ok(after))) if after == "None" || after == "new" => true,
        (Some(Ok(before)), Some(Ok(after))) => {
            after.lines().all(|line| before.lines().any(|was| was == line))
        }
        _ => false,
    }
}
