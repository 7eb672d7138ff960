//! The store in memory beside SQLite: whatever is asked of both, they answer alike.

use super::super::packed::Packed;
use super::super::sqlite::SqliteStore;
use super::super::tests::{NoUpgrade, key_table};
use super::super::{
    Action, AuditRow, CardRow, ChainRow, CredentialRow, CustomerRow, Found, Fresh, Id, InstrumentRow, Kind,
    Line, Listing, MainLine, Print, Rows, Span, Store, UsedKey,
};
use super::MemoryStore;
use crate::error::{Code, Result};
use crate::scheme::Token;
use proptest::prelude::*;
use std::fmt::Write;
use std::time::Duration;

const MERCHANTS: [&str; 3] = ["", "m", "m-2"];
const NAMES: [&str; 4] = ["", "a", "a b", "b"];
/// One of each form.
const TOKENS: [&str; 4] =
    ["a", "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7", "b0b1b2b3-b4b5-46b7-88b9-babbbcbdbebf", "zz"];

/// A step of a transaction: which one, and out of which rows.
#[derive(Clone, Copy, Debug)]
struct Step {
    what: u8,
    merchant: &'static str,
    one: u8,
    other: u8,
    third: u8,
}

fn step() -> impl Strategy<Value = Step> {
    let merchant = (0..MERCHANTS.len()).prop_map(|place| MERCHANTS[place]);
    (0..27u8, merchant, 0..4u8, 0..4u8, 0..3u8).prop_map(|(what, merchant, one, other, third)| Step {
        what,
        merchant,
        one,
        other,
        third,
    })
}

fn id(of: u8) -> Id {
    [of; 16]
}

fn token(of: u8) -> Token {
    Token::parse(TOKENS[usize::from(of)].as_bytes()).unwrap()
}

fn name(of: u8) -> &'static str {
    NAMES[usize::from(of)]
}

/// What is sealed begins with a byte and the epoch.
fn sealed(of: u8) -> Vec<u8> {
    vec![1, 0, 0, 0, 1 + of, of]
}

impl Step {
    fn card(self) -> CardRow {
        let last4 = format!("000{}", self.one);
        CardRow {
            id: id(self.one),
            network: "VISA".into(),
            iin: String::new(),
            last4,
            sealed: sealed(self.third),
        }
    }

    fn instrument(self) -> InstrumentRow {
        InstrumentRow {
            token: token(self.other),
            card: id(self.one),
            customer: name(self.third).into(),
            expiry: 203_001,
            active: self.third != 1,
            created_at: i64::from(self.one),
            keep_until: 0,
            sealed: sealed(self.third),
        }
    }

    fn customer(self) -> CustomerRow {
        CustomerRow {
            id: format!("c-{}", self.one),
            reference: name(self.other).into(),
            created_at: i64::from(self.third),
            updated_at: i64::from(self.other),
            deleted_at: 0,
            sealed: sealed(self.third),
        }
    }

    fn credential(self) -> CredentialRow {
        CredentialRow {
            id: name(self.one).into(),
            merchant: self.merchant.into(),
            dialect: "sumup".into(),
            subject: String::new(),
            scopes: name(self.other).into(),
            created_at: 1,
            expires_at: 0,
            revoked_at: i64::from(self.other),
            sealed: sealed(self.third),
        }
    }

    fn print(self) -> Print {
        Print { generation: u32::from(self.third), print: [self.one; 16] }
    }

    /// A step in the audit trail.
    fn run_of_trail(self, rows: &dyn Rows) -> Result<bool> {
        let Step { what, merchant, one, other, third } = self;
        let tenant = rows.tenant_made(merchant)?;
        let [one, other, third] = [one, other, third].map(i64::from);
        let kind = Kind::from_number(1 + other)?;
        let (link, body, mac) = (vec![1], vec![2], id(3));
        let span = Span { chain: third, first: one, last: other };
        let line = MainLine { seq: one, kind, chain: third, first: 1, last: 2, link, at: 3, body, mac };
        match what {
            21 => rows.insert_main(tenant, &line).map(|()| true),
            22 | 23 => rows.put_chain(tenant, &ChainRow { id: one, joined: other, at: third }).map(|()| true),
            24 => Ok(rows.delete_lines(tenant, span)? + rows.delete_main(tenant, other)? > 0),
            _ => rows.delete_chain(tenant, one).map(|()| true),
        }
    }

    /// Does it; what came of it goes into `said`.
    fn run(self, rows: &dyn Rows, said: &mut String) -> Result<()> {
        let Step { what, merchant, one, other, third } = self;
        let was = sealed(other % 3);
        let done = match what {
            0..=2 => {
                let (card, instrument) = (self.card(), self.instrument());
                let fresh = Fresh {
                    cards: if third == 2 { vec![] } else { vec![&card] },
                    prints: if third == 1 { vec![] } else { vec![(self.print(), card.id)] },
                    instruments: vec![&instrument],
                    ..Fresh::default()
                };
                rows.insert(merchant, &fresh)?;
                true
            }
            3 => {
                let (token, text) = (token(other), |of| String::from(name(of)));
                let action = Action::from_number(18 + i64::from(other))?;
                let (actor, reason, about) = (text(one), text(third), token.as_str().into());
                let row = AuditRow { at: 1, actor, action, token: about, reason };
                let line = Line { chain: third.into(), seq: one.into(), row, old: None, mac: id(other) };
                let keys = vec![UsedKey { key: name(third), token: &token, at: i64::from(one) }];
                rows.insert(merchant, &Fresh { lines: &[line], keys, ..Fresh::default() })?;
                true
            }
            4 => rows.add_print(merchant, &self.print(), &id(other))?,
            // Which ones go first is nowhere said: all that are meant go.
            5 => rows.delete_prints(third.into(), 100)? > 0,
            6 => rows.reseal_card(merchant, &self.card(), &was)?,
            7 => rows.delete_card(merchant, &id(one), &[[other; 16]]).map(|()| true)?,
            8 | 9 => rows.update_instrument(merchant, &self.instrument(), &was)?,
            10 => rows.delete_instrument(merchant, &token(other), third == 0).map(|()| true)?,
            11 => rows.forget_keys(one.into(), 100)? > 0,
            12 => rows.remember(merchant, name(one), token(other).as_str(), third.into())?,
            13 => rows.insert_credential(&self.credential())?,
            14 => rows.update_credential(&self.credential(), &was)?,
            15 | 16 => rows.insert_customer(merchant, &self.customer())?,
            17 => rows.update_customer(merchant, &self.customer(), &was)?,
            18 => rows.delete_customer(merchant, &format!("c-{one}")).map(|()| true)?,
            19 => rows.raise_fence().map(|()| true)?,
            20 => rows.point_print(merchant, &self.print().print, &id(other)).map(|()| true)?,
            26 => rows.move_instrument(merchant, &self.instrument(), &was)?,
            21..=25 => self.run_of_trail(rows)?,
            _ => return Err(Code::Argument.into()),
        };
        write!(said, "{self:?}: {done}; ").unwrap();
        Ok(())
    }
}

fn card(row: &CardRow) -> String {
    format!("{:x?} {} {} {} {:x?}", row.id[0], row.network, row.iin, row.last4, row.sealed)
}

fn instrument(row: &InstrumentRow) -> String {
    let InstrumentRow { token, card, customer, expiry, active, created_at, keep_until, sealed } = row;
    format!("{token} {} {customer:?} {expiry} {active} {created_at} {keep_until} {sealed:x?}", card[0])
}

fn customer(row: &CustomerRow) -> String {
    let CustomerRow { id, reference, created_at, updated_at, deleted_at, sealed } = row;
    format!("{id} {reference:?} {created_at} {updated_at} {deleted_at} {sealed:x?}")
}

fn credential(row: &CredentialRow) -> String {
    let CredentialRow { id, merchant, scopes, revoked_at, sealed, .. } = row;
    format!("{id:?} {merchant:?} {scopes:?} {revoked_at} {sealed:x?}")
}

/// All that can be asked of a store about a merchant.
fn of_merchant(rows: &dyn Rows, merchant: &str, said: &mut String) -> Result<()> {
    let prints: Vec<_> = (0..4).map(|print| [print; 16]).collect();
    let known = rows.known_cards(merchant, &prints)?;
    write!(said, "{:?}", known.iter().map(|row| row.as_ref().map(card)).collect::<Vec<_>>()).unwrap();
    let tokens: Vec<_> = (0..4).map(token).collect();
    write!(said, "{:?} {:?}", rows.taken(merchant, &tokens)?, rows.replayed(merchant, &NAMES)?).unwrap();
    let tenant = rows.tenant_of(merchant)?;
    for at in 0..4 {
        let of_card = rows.instruments_of(merchant, &id(at))?;
        write!(said, "{:?}", of_card.iter().map(instrument).collect::<Vec<_>>()).unwrap();
        let found = rows.instrument(merchant, &token(at)).map_err(|error| error.code());
        let shown = found.map(|found| found.map(|(row, of)| instrument(&row) + &card(&of)));
        write!(said, "{shown:?}").unwrap();
        let (by_id, by_name) = (
            rows.customer(merchant, &format!("c-{at}"))?,
            rows.customer_by_reference(merchant, NAMES[usize::from(at).max(1)])?,
        );
        write!(said, "{:?} {:?}", by_id.as_ref().map(customer), by_name.as_ref().map(customer)).unwrap();
        write!(
            said,
            "{} {}",
            rows.lock_customer(merchant, "c-1")?,
            rows.line_mac(rows.tenant_of(merchant)?, 1, at.into())?.is_some()
        )
        .unwrap();
        for active in [None, Some(true), Some(false)] {
            for customer in [None, Some("")].into_iter().chain(NAMES.map(Some)) {
                let after = [None, Some(""), Some(TOKENS[2]), Some("aa \u{e9}")][usize::from(at)];
                let (offset, limit) = (usize::from(at == 2), 2 + usize::from(at));
                let query = Listing { customer, active, after, offset, limit };
                let rows_of = rows.list(merchant, &query).map_err(|error| error.code());
                let shown =
                    rows_of.map(|found| found.iter().map(|(row, _)| instrument(row)).collect::<Vec<_>>());
                write!(said, "{shown:?} {}", rows.count(merchant, &query)?).unwrap();
            }
        }
        for token in [None, Some(TOKENS[usize::from(at)])] {
            let spans = [2, 1].map(|chain| Span { chain, first: i64::from(at / 2), last: 3 });
            write!(said, "{:?}", rows.lines(tenant, &spans, token, 3)?).unwrap();
        }
        let kind = [None, Some(Kind::Open), Some(Kind::Join), Some(Kind::End)][usize::from(at)];
        write!(said, "{:?}{:?}", rows.last_main(tenant, kind)?, rows.last_line(tenant, at.into())?).unwrap();
        write!(said, "{:?}", rows.all_lines(tenant, (at.into(), 1), 3)?).unwrap();
        write!(said, "{:?}{:?}", rows.main_lines(tenant, at.into(), 2)?, rows.chains(tenant)?).unwrap();
        write!(said, "{:?}{:?}", rows.unjoined(Some(tenant))?, rows.unjoined(None)?).unwrap();
    }
    write!(said, "{:?}", rows.lock_cards(merchant, &[id(0), id(1), id(2), id(3)])?).unwrap();
    page(said, &rows.customers(merchant, b"c-0", 2)?, customer);
    page(said, &rows.credentials(merchant, b"", 2)?, credential);
    Ok(())
}

/// The rows of a page, with their merchants and keys.
fn page<R>(said: &mut String, page: &[Found<R>], row: impl Fn(&R) -> String) {
    for found in page {
        write!(said, "{} {:?} {}", found.merchant, found.key, row(&found.row)).unwrap();
    }
}

/// All that can be asked of a store.
fn all_of(store: &dyn Store) -> String {
    let mut said = String::new();
    let mut ask = |rows: &dyn Rows| {
        for merchant in MERCHANTS {
            of_merchant(rows, merchant, &mut said)?;
        }
        write!(said, "{:?}", rows.fence()?.version).unwrap();
        let ids = [0, 1, 2].map(id);
        for after in [None, Some(("", &ids[0][..])), Some(("m", &ids[1])), Some(("n", &ids[2]))] {
            page(&mut said, &rows.all_cards(after, 3)?, card);
        }
        let packed = TOKENS.map(Packed::of_text);
        for after in
            [None, Some(("", &[][..])), Some(("", packed[0].as_bytes())), Some(("m", packed[1].as_bytes()))]
        {
            page(&mut said, &rows.all_instruments(after, 5)?, instrument);
        }
        for after in [None, Some(("", &b""[..])), Some(("", b"a")), Some(("n", b""))] {
            page(&mut said, &rows.all_customers(after, 5)?, customer);
        }
        page(&mut said, &rows.all_credentials(Some(b"a"), 3)?, credential);
        write!(said, "{:?}", rows.tally()?).unwrap();
        Ok(())
    };
    store.read(&mut ask).unwrap();
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_store_in_memory_answers_as_sqlite_does(
        transactions in prop::collection::vec(prop::collection::vec(step(), 1..5), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.db");
        let mut first = |rows: &dyn Rows| rows.insert_key_table(&key_table(1));
        let sqlite = SqliteStore::open(&path, Duration::from_secs(5), Some(&mut first), &mut NoUpgrade).unwrap();
        let memory = MemoryStore::new(&mut first).unwrap();
        for steps in transactions {
            let said = [&sqlite as &dyn Store, &memory].map(|store| {
                let mut said = String::new();
                let mut work = |rows: &dyn Rows| {
                    said.clear();
                    steps.iter().try_for_each(|step| step.run(rows, &mut said))
                };
                let outcome = store.write(&mut work);
                (outcome, said)
            });
            prop_assert_eq!(&said[0], &said[1]);
        }
        prop_assert_eq!(all_of(&sqlite), all_of(&memory));
    }
}
