//! The audit trail in SQLite.

use super::super::Id;
use super::super::audit::{Action, AuditRow, AuditRows, ChainRow, Kind, Lane, Line, MainLine, Span};
use super::super::packed::{Packed, unpack};
use super::rows::{SqliteRows, count, merchant_name};
use crate::error::{Code, Error, Result};
use crate::secret::reserve;
use rusqlite::{Row, params};
use std::cell::RefMut;

pub const TABLES: &str = "
    create table audit (
        merchant integer not null, chain integer not null, seq integer not null, at integer not null,
        actor text not null, action integer not null, token blob not null, reason text not null, mac blob not null,
        primary key (merchant, chain, seq)) strict, without rowid;
    create table audit_main (
        merchant integer not null, seq integer not null, kind integer not null, chain integer not null,
        first integer not null, last integer not null, link blob not null, at integer not null, body blob not null,
        mac blob not null, primary key (merchant, seq)) strict, without rowid;
    create table chain (
        merchant integer not null, id integer not null, joined integer not null, at integer not null,
        primary key (merchant, id)) strict, without rowid;
    create table audit_old (
        merchant integer not null, seq integer not null, id blob not null,
        primary key (merchant, seq)) strict, without rowid;
    create unique index audit_old_id on audit_old (merchant, id);
";

/// From version 3: the lines that are there become a chain of their own, and keep their ids beside it.
pub fn from_3(token: &str) -> String {
    let action = Action::numbered("o.action");
    format!(
        "insert into audit
            select m.id, 0, row_number() over (partition by o.merchant order by o.id), o.at, o.actor, {action},
                case o.token when '' then x'' else {token} end, o.reason, zeroblob(16)
            from old_audit o join merchant m on m.name = o.merchant order by m.id, o.id;
        insert into audit_old
            select m.id, row_number() over (partition by o.merchant order by o.id), o.id
            from old_audit o join merchant m on m.name = o.merchant order by m.id, o.id;
        drop table old_audit;"
    )
}

const LINE: &str = "select a.chain, a.seq, a.at, a.actor, a.action, a.token, a.reason, a.mac, o.id
    from audit a left join audit_old o on a.chain = 0 and o.merchant = a.merchant and o.seq = a.seq
    where a.merchant = ?1 and ";
const MAIN: &str =
    "select seq, kind, chain, first, last, link, at, body, mac from audit_main where merchant = ?1";

impl SqliteRows<'_> {
    fn some_lines(&self, rest: &str, values: impl rusqlite::Params) -> Result<Vec<Line>> {
        reserve::gather(self.all(&format!("{LINE} {rest}"), values, |row| Ok(line(row)))?)
    }

    fn some_main(&self, rest: &str, values: impl rusqlite::Params) -> Result<Vec<MainLine>> {
        reserve::gather(self.all(&format!("{MAIN} {rest}"), values, |row| Ok(main_line(row)))?)
    }
}

impl AuditRows for SqliteRows<'_> {
    fn tenant_of(&self, merchant: &str) -> Result<i64> {
        self.tenant(merchant)
    }

    fn tenant_made(&self, merchant: &str) -> Result<i64> {
        self.tenant_or_new(merchant)
    }

    fn tenants(&self, after: i64, limit: usize) -> Result<Vec<(i64, String)>> {
        let sql = "select id, name from merchant where id > ?1 order by id limit ?2";
        self.all(sql, params![after, count(limit)], |row| {
            let number = row.get(0)?;
            Ok((number, merchant_name(row, 1, number)))
        })
    }

    fn lane(&self) -> Result<RefMut<'_, Lane>> {
        Ok(self.2.ok_or(Code::Internal)?.borrow_mut())
    }

    /// SQLite has one writer at a time.
    fn lock_main(&self, _: i64) -> Result<()> {
        Ok(())
    }

    fn line_mac(&self, tenant: i64, chain: i64, seq: i64) -> Result<Option<[u8; 16]>> {
        let sql = "select mac from audit where merchant = ?1 and chain = ?2 and seq = ?3";
        self.find(sql, params![tenant, chain, seq], |row| row.get(0))
    }

    fn last_line(&self, tenant: i64, chain: i64) -> Result<Option<Line>> {
        Ok(self.some_lines("a.chain = ?2 order by a.seq desc limit 1", params![tenant, chain])?.pop())
    }

    fn lines(&self, tenant: i64, spans: &[Span], token: Option<&str>, limit: usize) -> Result<Vec<Line>> {
        let token = token.map(Packed::of_text);
        let rest = "a.chain = ?2 and a.seq between ?3 and ?4 and a.action <> ?7 and (?5 is null or a.token = ?5) order by a.seq limit ?6";
        let mut lines = Vec::new();
        for Span { chain, first, last } in spans {
            let left = count(limit.saturating_sub(lines.len()));
            let token = token.as_ref().map(Packed::as_bytes);
            lines.extend(
                self.some_lines(
                    rest,
                    params![tenant, chain, first, last, token, left, Action::END.number()],
                )?,
            );
            if lines.len() >= limit {
                break;
            }
        }
        Ok(lines)
    }

    fn all_lines(&self, tenant: i64, after: (i64, i64), limit: usize) -> Result<Vec<Line>> {
        let rest = "(a.chain, a.seq) > (?2, ?3) order by a.chain, a.seq limit ?4";
        self.some_lines(rest, params![tenant, after.0, after.1, count(limit)])
    }

    fn insert_lines(&self, tenant: i64, lines: &[Line]) -> Result<()> {
        let sql = "insert into audit (merchant, chain, seq, at, actor, action, token, reason, mac)
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.each(sql, lines, |insert, line| {
            let AuditRow { at, actor, action, token, reason } = &line.row;
            let token = Packed::of_text(token);
            let (number, token) = (action.number(), token.as_bytes());
            insert.execute(params![tenant, line.chain, line.seq, at, actor, number, token, reason, line.mac])
        })
    }

    fn delete_lines(&self, tenant: i64, Span { chain, first, last }: Span) -> Result<u64> {
        let sql = "delete from audit where merchant = ?1 and chain = ?2 and seq between ?3 and ?4";
        let deleted = self.change(sql, params![tenant, chain, first, last])?;
        if chain == 0 {
            let sql = "delete from audit_old where merchant = ?1 and seq between ?2 and ?3";
            self.change(sql, params![tenant, first, last])?;
        }
        Ok(deleted as u64)
    }

    fn old_up_to(&self, tenant: i64, id: &Id) -> Result<i64> {
        let sql = "select seq from audit_old where merchant = ?1 and id <= ?2 order by id desc limit 1";
        Ok(self.find(sql, params![tenant, id], |row| row.get(0))?.unwrap_or(0))
    }

    fn seal_old(&self, tenant: i64, line: &Line) -> Result<()> {
        let sql = "update audit set mac = ?3 where merchant = ?1 and chain = 0 and seq = ?2";
        self.change_one(sql, params![tenant, line.seq, line.mac])
    }

    fn strays(&self) -> Result<Option<(i64, i64, i64)>> {
        let sql = "select merchant, chain, seq from audit where merchant not in (select id from merchant)
                   union all select merchant, 0, seq from audit_main
                   where merchant not in (select id from merchant) and merchant <> 0 limit 1";
        self.find(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    fn insert_main(&self, tenant: i64, line: &MainLine) -> Result<()> {
        let sql = "insert into audit_main (merchant, seq, kind, chain, first, last, link, at, body, mac)
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let MainLine { seq, kind, chain, first, last, link, at, body, mac } = line;
        self.change_one(sql, params![tenant, seq, *kind as i64, chain, first, last, link, at, body, mac])
    }

    fn main_lines(&self, tenant: i64, from: i64, limit: usize) -> Result<Vec<MainLine>> {
        self.some_main("and seq >= ?2 order by seq limit ?3", params![tenant, from, count(limit)])
    }

    fn last_main(&self, tenant: i64, kind: Option<Kind>) -> Result<Option<MainLine>> {
        let rest = "and (?2 is null or kind = ?2) order by seq desc limit 1";
        Ok(self.some_main(rest, params![tenant, kind.map(|kind| kind as i64)])?.pop())
    }

    fn delete_main(&self, tenant: i64, before: i64) -> Result<u64> {
        let sql = "delete from audit_main where merchant = ?1 and seq < ?2";
        Ok(self.change(sql, params![tenant, before])? as u64)
    }

    fn chains(&self, tenant: i64) -> Result<Vec<ChainRow>> {
        let sql = "select id, joined, at from chain where merchant = ?1 order by id";
        self.all(sql, [tenant], |row| Ok(ChainRow { id: row.get(0)?, joined: row.get(1)?, at: row.get(2)? }))
    }

    fn put_chain(&self, tenant: i64, chain: &ChainRow) -> Result<()> {
        let sql = "insert into chain (merchant, id, joined, at) values (?1, ?2, ?3, ?4)
                   on conflict (merchant, id) do update set joined = excluded.joined, at = excluded.at";
        self.change_one(sql, params![tenant, chain.id, chain.joined, chain.at])
    }

    fn delete_chain(&self, tenant: i64, id: i64) -> Result<()> {
        self.change("delete from chain where merchant = ?1 and id = ?2", params![tenant, id]).map(drop)
    }

    fn unjoined(&self, tenant: Option<i64>) -> Result<Vec<i64>> {
        let sql = "select distinct c.merchant from chain c
                   where c.merchant <> 0 and (?1 is null or c.merchant = ?1) and exists (
                       select 1 from audit a where a.merchant = c.merchant and a.chain = c.id and a.seq > c.joined)";
        self.all(sql, [tenant], |row| row.get(0))
    }
}

fn line(row: &Row<'_>) -> Result<Line> {
    let token: Vec<u8> = row.get(5).map_err(tampered)?;
    let token = if token.is_empty() { String::new() } else { unpack(&token)?.as_str().into() };
    let columns = || -> rusqlite::Result<_> {
        Ok((row.get(2)?, row.get(3)?, row.get(6)?, row.get(0)?, row.get(1)?, row.get(7)?, row.get(8)?))
    };
    let (at, actor, reason, chain, seq, mac, old) = columns().map_err(tampered)?;
    let action = Action::from_number(row.get(4).map_err(tampered)?)?;
    Ok(Line { chain, seq, row: AuditRow { at, actor, action, token, reason }, old, mac })
}

fn main_line(row: &Row<'_>) -> Result<MainLine> {
    let kind = Kind::from_number(row.get(1).map_err(tampered)?)?;
    let columns = || -> rusqlite::Result<_> {
        Ok(MainLine {
            seq: row.get(0)?,
            kind,
            chain: row.get(2)?,
            first: row.get(3)?,
            last: row.get(4)?,
            link: row.get(5)?,
            at: row.get(6)?,
            body: row.get(7)?,
            mac: row.get(8)?,
        })
    };
    columns().map_err(tampered)
}

fn tampered(_: rusqlite::Error) -> Error {
    Code::Tampered.into()
}
