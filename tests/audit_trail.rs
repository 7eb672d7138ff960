//! The audit trail: chained so that nobody without keys changes it unnoticed, and read so that nobody misses a line.
#![cfg(not(miri))]

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::error::Code;
use panseal::vault::{
    AuditFault, AuditLine, AuditQuery, FaultKind, OpenOptions, TokenizeOptions, Vault, now,
};
use promised::{Book, Place, card, code, random, task};
use rusqlite::Connection;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const VISA: &str = "4242424242424242";
/// How often each table is changed in each way.
const TRIALS: usize = 100;

fn token(vault: &Vault) -> String {
    vault.tokenize(&card(VISA), &TokenizeOptions::default()).unwrap().token.to_string()
}

/// All lines, page by page.
fn all_behind(vault: &Vault, mut after: Option<[u8; 16]>) -> Vec<AuditLine> {
    let mut all = Vec::new();
    loop {
        let page = vault.audit(&AuditQuery { after, limit: 7, ..AuditQuery::default() }).unwrap();
        after = page.last().map(|line| line.id()).or(after);
        let is_last = page.len() < 7;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

/// A vault with several merchants, writers and joins, all of it joined and anchored.
struct Trail {
    place: Place,
    vault: Vault,
    head: [u8; 32],
}

impl Trail {
    fn new() -> Trail {
        let place = Place::sqlite();
        for _ in 0..3 {
            let vault = place.open();
            for merchant in ["", "m2"] {
                let vault = vault.merchant(merchant).unwrap();
                let token = token(&vault);
                for turn in 0..6 {
                    vault.detokenize(token.as_bytes(), "clerk", &format!("refund {turn}"), 19).unwrap();
                    if turn == 3 {
                        vault.audit(&AuditQuery::default()).unwrap();
                    }
                }
            }
            vault.status().unwrap();
        }
        let vault = place.open();
        let head = vault.status().unwrap().audit_head;
        let saved = place.folder.path().join("saved.db");
        let sql = place.sql();
        sql.execute("attach ?1 as saved", [saved.to_str().unwrap()]).unwrap();
        for table in ["audit", "audit_main", "chain"] {
            sql.execute(&format!("create table saved.{table} as select * from main.{table}"), []).unwrap();
        }
        Trail { place, vault, head }
    }

    /// What a check finds after an edit, which is then undone.
    fn after(&self, edit: &dyn Fn(&Connection)) -> Option<AuditFault> {
        let sql = self.place.sql();
        edit(&sql);
        let found = self.vault.verify_audit(Some(&self.head)).unwrap().fault;
        let saved = self.place.folder.path().join("saved.db");
        sql.execute("attach ?1 as saved", [saved.to_str().unwrap()]).unwrap();
        for table in ["audit", "audit_main", "chain"] {
            sql.execute_batch(&format!(
                "begin immediate; delete from main.{table}; insert into main.{table} select * from saved.{table}; commit"
            ))
            .unwrap();
        }
        found
    }

    /// A row of a table, by its key.
    fn any(&self, table: &str) -> (i64, i64, i64) {
        let sql = self.place.sql();
        let columns = match table {
            "audit" => "merchant, chain, seq",
            "audit_main" => "merchant, 0, seq",
            _ => "merchant, id, 0",
        };
        let rows: i64 =
            sql.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap();
        let skip = random(rows as u64);
        sql.query_row(&format!("select {columns} from {table} limit 1 offset {skip}"), [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap()
    }
}

fn key_of(table: &str, (merchant, chain, seq): (i64, i64, i64)) -> String {
    match table {
        "audit" => format!("merchant = {merchant} and chain = {chain} and seq = {seq}"),
        "audit_main" => format!("merchant = {merchant} and seq = {seq}"),
        _ => format!("merchant = {merchant} and id = {chain}"),
    }
}

/// The place that a fault names.
fn places(fault: &AuditFault) -> (&'static str, i64, i64) {
    (fault.table, fault.chain, fault.seq)
}

#[test]
fn a_trail_that_nobody_has_touched_has_no_fault() {
    let trail = Trail::new();
    let report = trail.vault.verify_audit(Some(&trail.head)).unwrap();
    assert_eq!(report.fault, None);
    assert_eq!((report.merchants, report.joined, report.unjoined, report.pruned), (2, 42, 0, 0));
    assert_eq!(trail.after(&|_| ()), None);
    assert_eq!(code(trail.vault.verify_audit(Some(b"short"))), Code::Argument);
}

#[test]
fn each_edited_line_is_noticed_and_named() {
    let trail = Trail::new();
    let edits = [
        "at = at + 1",
        "actor = actor || 'x'",
        "action = action % 19 + 1",
        "token = x'036e6f626f6479'",
        "reason = reason || 'x'",
        "mac = zeroblob(16)",
        "mac = x'00'",
        "action = 99",
        "token = x'09'",
    ];
    for trial in 0..TRIALS {
        let row = trail.any("audit");
        let edit = edits[trial % edits.len()];
        let sql = format!("update audit set {edit} where {}", key_of("audit", row));
        let fault = trail.after(&|on| assert_eq!(on.execute(&sql, []).unwrap(), 1)).expect(&sql);
        assert_eq!((fault.kind, places(&fault)), (FaultKind::Edited, ("audit", row.1, row.2)), "{sql}");
        assert!(fault.id.is_some(), "{sql}");
    }
}

#[test]
fn each_removed_line_is_noticed_and_named() {
    let trail = Trail::new();
    for _ in 0..TRIALS {
        let row = trail.any("audit");
        let sql = format!("delete from audit where {}", key_of("audit", row));
        let fault = trail.after(&|on| assert_eq!(on.execute(&sql, []).unwrap(), 1)).expect(&sql);
        assert!(matches!(fault.kind, FaultKind::Removed | FaultKind::Cut), "{sql}");
        assert_eq!(places(&fault), ("audit", row.1, row.2), "{sql}");
        let sql = sql.replace(" and seq = ", " and seq >= ");
        let fault = trail.after(&|on| assert!(on.execute(&sql, []).unwrap() > 0)).expect(&sql);
        assert_eq!((fault.kind, places(&fault)), (FaultKind::Cut, ("audit", row.1, row.2)), "{sql}");
    }
}

#[test]
fn each_inserted_line_is_noticed_and_named() {
    let trail = Trail::new();
    let columns = "at, actor, action, token, reason, mac";
    for _ in 0..TRIALS {
        let (merchant, chain, seq) = trail.any("audit");
        let key = key_of("audit", (merchant, chain, seq));
        // A copy of a line behind all of its chain, and in a chain that is not there.
        for (chain, seq) in [(chain, 1000), (chain + 1000, 1)] {
            let sql = format!(
                "insert into audit select merchant, {chain}, {seq}, {columns} from audit where {key}"
            );
            let fault = trail.after(&|on| assert_eq!(on.execute(&sql, []).unwrap(), 1)).expect(&sql);
            assert!(matches!(fault.kind, FaultKind::Inserted | FaultKind::Removed), "{sql}: {fault:?}");
        }
        // Before a line, where the others make room.
        let shift = |on: &Connection| {
            on.execute_batch(&format!(
                "begin immediate;
                 update audit set seq = -seq - 1 where merchant = {merchant} and chain = {chain} and seq >= {seq};
                 update audit set seq = -seq where merchant = {merchant} and chain = {chain} and seq < 0;
                 insert into audit select merchant, chain, {seq}, {columns} from audit
                     where merchant = {merchant} and chain = {chain} and seq = {seq} + 1;
                 update audit set reason = 'x' where merchant = {merchant} and chain = {chain} and seq = {seq};
                 commit"
            ))
            .unwrap();
        };
        let fault = trail.after(&shift).expect("a line that came between");
        assert_eq!((fault.kind, places(&fault)), (FaultKind::Inserted, ("audit", chain, seq)));
    }
}

#[test]
fn lines_that_have_changed_places_are_noticed() {
    let trail = Trail::new();
    let mut swapped = 0;
    while swapped < TRIALS {
        let (one, other) = (trail.any("audit"), trail.any("audit"));
        if (one.0, one.1) != (other.0, other.1) || one.2 == other.2 {
            continue;
        }
        swapped += 1;
        let swap = |on: &Connection| {
            let set = |from: i64, to: i64| {
                let key = key_of("audit", (one.0, one.1, from));
                on.execute(&format!("update audit set seq = {to} where {key}"), []).unwrap();
            };
            set(one.2, -1);
            set(other.2, one.2);
            set(-1, other.2);
        };
        let fault = trail.after(&swap).expect("two lines that were swapped");
        assert_eq!((fault.kind, fault.chain), (FaultKind::Reordered, one.1));
        assert_eq!(fault.seq, one.2.min(other.2));
    }
}

#[test]
fn each_change_of_a_main_chain_is_noticed() {
    let trail = Trail::new();
    let edits = [
        "kind = kind % 5 + 1",
        "chain = chain + 1",
        "first = first + 1",
        "last = last + 1",
        "link = zeroblob(16)",
        "at = at + 1",
        "body = cast(body || x'00' as blob)",
        "mac = zeroblob(16)",
        "mac = x''",
        "kind = 9",
    ];
    for trial in 0..TRIALS {
        let row = trail.any("audit_main");
        let key = key_of("audit_main", row);
        let edit = edits[trial % edits.len()];
        for sql in [
            format!("update audit_main set {edit} where {key}"),
            format!("delete from audit_main where {key}"),
            format!("delete from audit_main where {}", key.replace("seq =", "seq >=")),
            format!("update audit_main set seq = seq + 1000 where {key}"),
            format!(
                "insert into audit_main select merchant, seq + 1000, kind, chain, first, last, link, at, body, mac
                 from audit_main where {key}"
            ),
        ] {
            let fault = trail.after(&|on| assert!(on.execute(&sql, []).unwrap() > 0)).expect(&sql);
            assert_eq!(fault.table, "audit_main", "{sql}: {fault:?}");
        }
    }
}

#[test]
fn each_change_of_the_open_chains_is_noticed() {
    let trail = Trail::new();
    for _ in 0..TRIALS {
        let row = trail.any("chain");
        let key = key_of("chain", row);
        for sql in [
            format!("update chain set joined = joined + 1 where {key}"),
            format!("update chain set joined = joined - 1 where {key}"),
            format!("delete from chain where {key}"),
            format!("insert into chain select merchant, id + 1000, joined, at from chain where {key}"),
        ] {
            trail.after(&|on| assert!(on.execute(&sql, []).unwrap() > 0)).expect(&sql);
        }
    }
}

/// The whole trail of a merchant, or the newest part of all of it, consistently: the head that was kept outside tells.
#[test]
fn an_older_state_put_back_is_noticed_by_the_head() {
    let trail = Trail::new();
    token(&trail.vault);
    let head = trail.vault.status().unwrap().audit_head;
    assert_ne!(head, trail.head);
    assert_eq!(trail.vault.verify_audit(Some(&head)).unwrap().fault, None);
    assert_eq!(trail.vault.verify_audit(Some(&trail.head)).unwrap().fault, None, "it goes on from there");
    assert_eq!(trail.after(&|_| ()), None);
    // Now the tables are as they were before that token.
    let report = trail.vault.verify_audit(Some(&head)).unwrap();
    assert_eq!(report.fault.unwrap().kind, FaultKind::Cut);
    let gone = "delete from merchant where name = 'm2'; delete from audit where merchant = 2;
                delete from audit_main where merchant = 2; delete from chain where merchant in (2)";
    trail.after(&|on| on.execute_batch(gone).unwrap()).expect("a merchant that is gone");
}

#[test]
fn a_writer_that_was_taken_for_dead_goes_on_in_another_chain() {
    let place = Place::sqlite();
    let (one, other) = (place.open(), place.open());
    let token = token(&one);
    place.sql().execute("update chain set at = 1", []).unwrap();
    other.detokenize(token.as_bytes(), "", "refund", 19).unwrap();
    one.audit(&AuditQuery::default()).unwrap();
    place.sql().execute("update chain set at = 1", []).unwrap();
    other.detokenize(token.as_bytes(), "", "refund", 19).unwrap();
    other.audit(&AuditQuery::default()).unwrap();
    one.detokenize(token.as_bytes(), "", "refund", 19).unwrap();
    let report = one.verify_audit(None).unwrap();
    assert_eq!((report.fault, report.chains), (None, 3));
    assert_eq!(all_behind(&one, None).len(), 4);
}

#[test]
fn pruned_lines_are_gone_and_the_rest_can_be_checked() {
    let trail = Trail::new();
    let vault = &trail.vault;
    let before = all_behind(vault, None);
    assert_eq!(vault.prune_audit(0).unwrap(), 0, "nothing is older");
    assert_eq!(code(vault.prune_audit(-1)), Code::Argument);
    assert_eq!(vault.prune_audit(now() + 1).unwrap(), before.len() as u64);
    let report = vault.verify_audit(Some(&trail.head)).unwrap();
    assert_eq!((report.fault, report.pruned), (None, before.len() as u64));
    let rest = all_behind(vault, None);
    assert_eq!(rest.iter().map(|line| line.action()).collect::<Vec<_>>(), ["prune"]);
    let behind = |id| vault.audit(&AuditQuery { after: Some(id), ..AuditQuery::default() });
    assert_eq!(code(behind(before[0].id())), Code::Conflict, "lines behind it are gone");
    assert_eq!(behind(before.last().unwrap().id()).unwrap().len(), 1, "none was missed");
    let token = token(vault);
    vault.detokenize(token.as_bytes(), "", "refund", 19).unwrap();
    assert_eq!(vault.verify_audit(Some(&trail.head)).unwrap().fault, None);
    assert_eq!(trail.vault.merchant("m2").unwrap().verify_audit(None).unwrap().fault, None);
    let stump = "update audit_main set body = zeroblob(48) where kind = 4";
    place_edit(&trail, stump);
    assert_eq!(vault.verify_audit(None).unwrap().fault.unwrap().table, "audit_main");
}

fn place_edit(trail: &Trail, sql: &str) {
    assert_eq!(trail.place.sql().execute(sql, []).unwrap(), 1, "{sql}");
}

#[test]
fn who_was_refused_is_on_record_and_what_was_presented_is_not() {
    let place = Place::sqlite();
    let vault = place.open();
    let known = token(&vault);
    vault.deactivate(known.as_bytes()).unwrap();
    let till = place.open_with(|options| OpenOptions { no_reveal: true, ..options }).unwrap();
    assert_eq!(code(vault.detokenize(VISA.as_bytes(), "clerk", "refund", 19)), Code::Token);
    assert_eq!(code(vault.detokenize(known.as_bytes(), "clerk", "refund", 19)), Code::Inactive);
    assert_eq!(code(till.detokenize(known.as_bytes(), "clerk", "refund", 19)), Code::Irreversible);
    vault.set_guard(Some(Arc::new(|operation: &panseal::vault::Operation<'_>| {
        operation.kind != "detokenize"
    })));
    assert_eq!(code(vault.detokenize(known.as_bytes(), "clerk", "refund", 19)), Code::Callback);
    vault.set_guard(None);
    let lines = vault.audit(&AuditQuery::default()).unwrap();
    let refused: Vec<&AuditLine> = lines.iter().filter(|line| line.action() == "refuse").collect();
    let words = refused.iter().map(|line| line.reason().split(' ').collect::<Vec<_>>());
    let mut why: Vec<&str> = words.clone().map(|words| words[0]).collect();
    why.sort_unstable();
    assert_eq!(why, ["guard", "inactive", "no_reveal", "unknown"]);
    assert!(words.clone().all(|words| words.len() == 3 && words[1].len() == 16), "{why:?}");
    assert!(words.clone().any(|words| words[2] == "16"), "the length of what was presented");
    assert!(refused.iter().all(|line| line.token().is_empty() && line.actor() == "clerk"));
    let kept: i64 = place
        .sql()
        .query_row("select count(*) from audit where instr(reason, ?1)", [VISA], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 0);
}

#[test]
fn many_refusals_are_counted_in_one_line() {
    let place = Place::sqlite();
    let vault = place.open();
    token(&vault);
    for turn in 0..1000 {
        assert_eq!(code(vault.detokenize(format!("t{turn}").as_bytes(), "", "refund", 19)), Code::Token);
    }
    drop(vault);
    let lines = all_behind(&place.open(), None);
    let refused: Vec<&AuditLine> = lines.iter().filter(|line| line.action() == "refuse").collect();
    assert_eq!(refused.len(), 11);
    assert_eq!(refused[10].reason(), "unknown 990 more");
}

/// A follower that asks for what is behind the last line sees each line once, while processes write.
fn follow(name: &str, place: impl FnOnce() -> Place) {
    if let Some(task) = task() {
        let [url, root, book, token] = &task[..] else { panic!("no such task: {task:?}") };
        let vault = promised::open(url, root).unwrap();
        let book = Book::at(book.as_ref());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let end = Instant::now() + Duration::from_secs(3);
                    while Instant::now() < end {
                        vault.detokenize(token.as_bytes(), "", "refund", 19).unwrap();
                        book.note(&["detokenized"]);
                    }
                });
            }
        });
        return;
    }
    let place = place();
    let vault = place.open();
    let token = token(&vault);
    let books: Vec<_> = (0..2).map(|book| place.folder.path().join(format!("book-{book}"))).collect();
    let mut children: Vec<_> = books
        .iter()
        .map(|book| promised::child(name, &[&place.url, &place.root, book.to_str().unwrap(), &token]))
        .collect();
    let (mut seen, mut after) = (Vec::new(), None);
    let mut running = true;
    while running {
        running = children.iter_mut().any(|child| child.try_wait().unwrap().is_none());
        let page = vault.audit(&AuditQuery { after, limit: 100, ..AuditQuery::default() }).unwrap();
        after = page.last().map(|line| line.id()).or(after);
        seen.extend(page);
        thread::sleep(Duration::from_millis(5));
    }
    seen.extend(all_behind(&vault, after));
    let written: usize = books.iter().map(|book| Book::read(book).len()).sum();
    let ids: HashSet<[u8; 16]> = seen.iter().map(|line| line.id()).collect();
    assert_eq!(ids.len(), seen.len(), "a line was seen twice");
    assert_eq!(seen.len(), 1 + written, "a line was missed");
    assert!(written > 0 && seen.iter().map(|line| line.id()).is_sorted());
    assert!(seen.iter().map(|line| line.id()).eq(all_behind(&vault, None).iter().map(|line| line.id())));
    assert_eq!(vault.verify_audit(None).unwrap().fault, None);
}

#[test]
fn a_follower_sees_each_line_once_in_a_file() {
    follow("a_follower_sees_each_line_once_in_a_file", Place::sqlite);
}

#[cfg(feature = "postgres")]
#[test]
fn a_follower_sees_each_line_once_in_postgresql() {
    use support::postgres::{Server, Settings, present};
    if task().is_none() && !present("PostgreSQL: a follower of the audit trail") {
        return;
    }
    let lines = vec![("log_min_messages", "fatal")];
    let server = task().is_none().then(|| Server::new(&Settings { lines, ..Settings::default() }));
    let url = server.as_ref().map(|server| server.url()).unwrap_or_default();
    follow("a_follower_sees_each_line_once_in_postgresql", || Place::at(|_| url));
}

#[test]
fn ids_of_before_there_were_chains_are_taken() {
    let vectors = support::root().join("tests/vectors");
    let first: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(vectors.join("vault_v1.json")).unwrap()).unwrap();
    let place = Place::sqlite();
    std::fs::write(place.folder.path().join("cards.root"), first["root"].as_str().unwrap()).unwrap();
    place.sql().execute_batch(&std::fs::read_to_string(vectors.join("vault_v1.sql")).unwrap()).unwrap();
    let vault = place.open();
    let old: Vec<[u8; 16]> = place
        .sql()
        .prepare(
            "select a.id from audit_old a join merchant m on m.id = a.merchant and m.name = '' order by seq",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(|id| id.unwrap())
        .collect();
    token(&vault);
    let lines = all_behind(&vault, None);
    assert_eq!(lines.len(), old.len() + 1);
    assert!(
        lines.iter().map(|line| line.id()).take(old.len()).eq(old.iter().copied()),
        "they keep their ids"
    );
    for (place, id) in old.iter().enumerate() {
        assert_eq!(all_behind(&vault, Some(*id)).len(), old.len() - place);
    }
    assert_eq!(
        all_behind(&vault, Some([0xff; 16])).len(),
        1,
        "one that no line ever had is behind all old ones"
    );
    assert_eq!(vault.verify_audit(None).unwrap().fault, None);
    let edit = "update audit_old set id = zeroblob(16) where seq = 1";
    assert!(place.sql().execute(edit, []).unwrap() > 0);
    assert_eq!(vault.verify_audit(None).unwrap().fault.unwrap().kind, FaultKind::Edited);
}

/// Checks a trail beside writers that come and go and followers, which have lines joined all the time; `also` runs beside
/// them.
fn check_beside(vault: &Vault, place: &Place, token: &str, also: impl Fn(&Vault) + Sync) {
    let done = AtomicBool::new(false);
    let running = || !done.load(Ordering::Acquire);
    thread::scope(|scope| {
        let _tell = support::AtEnd(&done);
        scope.spawn(|| {
            while running() {
                let vault = place.open();
                for _ in 0..20 {
                    vault.detokenize(token.as_bytes(), "", "refund", 19).unwrap();
                }
            }
        });
        scope.spawn(|| {
            let vault = place.open();
            while running() {
                vault.detokenize(token.as_bytes(), "", "refund", 19).unwrap();
                vault.audit(&AuditQuery { limit: 1, ..AuditQuery::default() }).unwrap();
                also(&vault);
            }
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            let report = vault.verify_audit(None).unwrap();
            assert_eq!(report.fault, None, "{report:?}");
        }
    });
}

#[test]
fn a_check_beside_those_who_write_and_read_finds_no_fault() {
    let place = Place::without_disk();
    let vault = place.open();
    let token = token(&vault);
    for _ in 0..1500 {
        vault.detokenize(token.as_bytes(), "", "refund", 19).unwrap();
        vault.audit(&AuditQuery { limit: 1, ..AuditQuery::default() }).unwrap();
    }
    check_beside(&vault, &place, &token, |vault| {
        vault.status().unwrap();
    });
}

#[test]
fn a_check_beside_those_who_prune_finds_no_fault() {
    let place = Place::without_disk();
    let vault = place.open();
    let token = token(&vault);
    check_beside(&vault, &place, &token, |vault| {
        vault.prune_audit(now() + 1).unwrap();
    });
}

/// A chain whose last lines are gone is not ended behind the gap: once they are back, all is well.
#[test]
fn lines_that_are_put_back_are_no_fault() {
    let trail = Trail::new();
    let sql = trail.place.sql();
    let open = "select merchant, id from chain where merchant > 0 limit 1";
    let (merchant, chain): (i64, i64) =
        sql.query_row(open, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let last = format!(
        "merchant = {merchant} and chain = {chain} and seq = (
             select max(seq) from audit where merchant = {merchant} and chain = {chain})"
    );
    sql.execute_batch(&format!(
        "create temp table aside as select * from audit where {last}; delete from audit where {last};
         update chain set at = 1 where merchant = {merchant} and id = {chain}"
    ))
    .unwrap();
    for merchant in ["", "m2"] {
        trail.vault.merchant(merchant).unwrap().audit(&AuditQuery::default()).unwrap();
        let refused = trail.vault.merchant(merchant).unwrap().detokenize(b"t", "", "refund", 19);
        assert_eq!(code(refused), Code::Token);
        trail.vault.merchant(merchant).unwrap().audit(&AuditQuery::default()).unwrap();
    }
    let fault = trail.vault.verify_audit(Some(&trail.head)).unwrap().fault.expect("a line that is gone");
    assert_eq!((fault.kind, fault.table, fault.chain), (FaultKind::Cut, "audit", chain));
    sql.execute_batch("insert into audit select * from temp.aside").unwrap();
    assert_eq!(trail.vault.verify_audit(Some(&trail.head)).unwrap().fault, None);
}
