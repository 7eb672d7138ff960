//! The audit trail in PostgreSQL.

use super::super::Id;
use super::super::audit::{Action, AuditRow, AuditRows, ChainRow, Kind, Lane, Line, Mac, MainLine, Span};
use super::super::packed::{Packed, unpack};
use super::rows::{PostgresRows, column, count, get};
use crate::error::{Code, Result};
use postgres::Row;
use postgres::types::ToSql;
use std::cell::RefMut;

pub const TABLES: &str = "
    create table audit (
        merchant bigint not null, chain bigint not null, seq bigint not null, at bigint not null, actor text not null,
        action bigint not null, token bytea not null, reason text not null, mac bytea not null,
        primary key (merchant, chain, seq));
    create table audit_main (
        merchant bigint not null, seq bigint not null, kind bigint not null, chain bigint not null,
        first bigint not null, last bigint not null, link bytea not null, at bigint not null, body bytea not null,
        mac bytea not null, primary key (merchant, seq));
    create table chain (
        merchant bigint not null, id bigint not null, joined bigint not null, at bigint not null,
        primary key (merchant, id));
    create table audit_old (
        merchant bigint not null, seq bigint not null, id bytea not null, primary key (merchant, seq));
    create unique index audit_old_id on audit_old (merchant, id);
";

/// From version 3: the lines that are there become a chain of their own, and keep their ids beside it.
pub fn from_3(token: &str) -> String {
    let action = Action::numbered("o.action");
    format!(
        "insert into audit
            select m.id, 0, row_number() over (partition by o.merchant order by o.id), o.at, o.actor, {action},
                case o.token when '' then ''::bytea else {token} end, o.reason, decode(repeat('00', 16), 'hex')
            from old_audit o join merchant m on m.name = o.merchant;
        insert into audit_old
            select m.id, row_number() over (partition by o.merchant order by o.id), o.id
            from old_audit o join merchant m on m.name = o.merchant;
        drop table old_audit;"
    )
}

const LINE: &str = "a.chain, a.seq, a.at, a.actor, a.action, a.token, a.reason, a.mac, o.id";
/// An old line's id stands beside it.
const OLD: &str = "left join audit_old o on a.chain = 0 and o.merchant = a.merchant and o.seq = a.seq";
const MAIN: &str =
    "select seq, kind, chain, first, last, link, at, body, mac from audit_main where merchant = $1";

impl PostgresRows<'_> {
    fn some_lines(&self, rest: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Line>> {
        self.all(&format!("select {LINE} from audit a {OLD} where a.merchant = $1 and {rest}"), values, line)
    }

    fn some_main(&self, rest: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<MainLine>> {
        self.all(&format!("{MAIN} {rest}"), values, main_line)
    }
}

impl AuditRows for PostgresRows<'_> {
    fn tenant_of(&self, merchant: &str) -> Result<i64> {
        self.tenant(merchant)
    }

    fn tenant_made(&self, merchant: &str) -> Result<i64> {
        self.tenant_or_new(merchant)
    }

    fn tenants(&self, after: i64, limit: usize) -> Result<Vec<(i64, String)>> {
        let sql = "select id, coalesce(name, chr(1) || id) from merchant where id > $1 order by id limit $2";
        self.all(sql, &[&after, &count(limit)], |row| Ok((get(row, 0)?, get(row, 1)?)))
    }

    fn lane(&self) -> Result<RefMut<'_, Lane>> {
        let lane = RefMut::filter_map(self.lane.borrow_mut(), |lane| lane.as_deref_mut());
        lane.map_err(|_| Code::Internal.into())
    }

    /// The vault's own main chain has no row to lock: of two that add to it at once, one finds the place taken.
    fn lock_main(&self, tenant: i64) -> Result<()> {
        self.change("select from merchant where id = $1 for update", &[&tenant]).map(drop)
    }

    fn line_mac(&self, tenant: i64, chain: i64, seq: i64) -> Result<Option<Mac>> {
        let sql = "select mac from audit where merchant = $1 and chain = $2 and seq = $3";
        self.find(sql, &[&tenant, &chain, &seq], |row| mac(row, 0))
    }

    fn last_line(&self, tenant: i64, chain: i64) -> Result<Option<Line>> {
        Ok(self.some_lines("a.chain = $2 order by a.seq desc limit 1", &[&tenant, &chain])?.pop())
    }

    fn lines(&self, tenant: i64, spans: &[Span], token: Option<&str>, limit: usize) -> Result<Vec<Line>> {
        let sql = format!(
            "select {LINE} from unnest($2::bigint[], $3::bigint[], $4::bigint[])
                 with ordinality as s (chain, first, last, place)
             cross join lateral (
                 select * from audit
                 where merchant = $1 and chain = s.chain and seq between s.first and s.last
                     and action <> $7 and ($5::bytea is null or token = $5)
                 order by seq limit $6) as a
             {OLD} order by s.place, a.seq limit $6"
        );
        let chains = column(spans, |span| span.chain);
        let (firsts, lasts) = (column(spans, |span| span.first), column(spans, |span| span.last));
        let token = token.map(Packed::of_text);
        let token = token.as_ref().map(Packed::as_bytes);
        self.all(
            &sql,
            &[&tenant, &chains, &firsts, &lasts, &token, &count(limit), &Action::END.number()],
            line,
        )
    }

    fn all_lines(&self, tenant: i64, after: (i64, i64), limit: usize) -> Result<Vec<Line>> {
        let rest = "(a.chain, a.seq) > ($2, $3) order by a.chain, a.seq limit $4";
        self.some_lines(rest, &[&tenant, &after.0, &after.1, &count(limit)])
    }

    fn insert_lines(&self, tenant: i64, lines: &[Line]) -> Result<()> {
        let sql = "insert into audit (merchant, chain, seq, at, actor, action, token, reason, mac)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        lines.iter().try_for_each(|line| {
            let AuditRow { at, actor, action, token, reason } = &line.row;
            let (number, token) = (action.number(), Packed::of_text(token));
            let token = token.as_bytes();
            let mac = &line.mac[..];
            self.change_one(sql, &[&tenant, &line.chain, &line.seq, at, actor, &number, &token, reason, &mac])
        })
    }

    fn delete_lines(&self, tenant: i64, Span { chain, first, last }: Span) -> Result<u64> {
        let sql = "delete from audit where merchant = $1 and chain = $2 and seq between $3 and $4";
        let deleted = self.change(sql, &[&tenant, &chain, &first, &last])?;
        if chain == 0 {
            let sql = "delete from audit_old where merchant = $1 and seq between $2 and $3";
            self.change(sql, &[&tenant, &first, &last])?;
        }
        Ok(deleted as u64)
    }

    fn old_up_to(&self, tenant: i64, id: &Id) -> Result<i64> {
        let sql = "select seq from audit_old where merchant = $1 and id <= $2 order by id desc limit 1";
        Ok(self.find(sql, &[&tenant, &&id[..]], |row| get(row, 0))?.unwrap_or(0))
    }

    fn seal_old(&self, tenant: i64, line: &Line) -> Result<()> {
        let sql = "update audit set mac = $3 where merchant = $1 and chain = 0 and seq = $2";
        self.change_one(sql, &[&tenant, &line.seq, &&line.mac[..]])
    }

    fn strays(&self) -> Result<Option<(i64, i64, i64)>> {
        let sql = "select merchant, chain, seq from audit a
                   where not exists (select 1 from merchant m where m.id = a.merchant)
                   union all select merchant, 0, seq from audit_main a
                   where not exists (select 1 from merchant m where m.id = a.merchant) and merchant <> 0 limit 1";
        self.read_whole_tables("on")?;
        let found = self.find(sql, &[], |row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?)));
        self.read_whole_tables("off")?;
        found
    }

    fn insert_main(&self, tenant: i64, line: &MainLine) -> Result<()> {
        let sql = "insert into audit_main (merchant, seq, kind, chain, first, last, link, at, body, mac)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let MainLine { seq, kind, chain, first, last, link, at, body, mac } = line;
        let (kind, mac) = (*kind as i64, &mac[..]);
        self.change_one(sql, &[&tenant, seq, &kind, chain, first, last, link, at, body, &mac])
    }

    fn main_lines(&self, tenant: i64, from: i64, limit: usize) -> Result<Vec<MainLine>> {
        self.some_main("and seq >= $2 order by seq limit $3", &[&tenant, &from, &count(limit)])
    }

    fn last_main(&self, tenant: i64, kind: Option<Kind>) -> Result<Option<MainLine>> {
        let rest = "and ($2::bigint is null or kind = $2) order by seq desc limit 1";
        Ok(self.some_main(rest, &[&tenant, &kind.map(|kind| kind as i64)])?.pop())
    }

    fn delete_main(&self, tenant: i64, before: i64) -> Result<u64> {
        let sql = "delete from audit_main where merchant = $1 and seq < $2";
        Ok(self.change(sql, &[&tenant, &before])? as u64)
    }

    fn chains(&self, tenant: i64) -> Result<Vec<ChainRow>> {
        let sql = "select id, joined, at from chain where merchant = $1 order by id";
        let read = |row: &Row| Ok(ChainRow { id: get(row, 0)?, joined: get(row, 1)?, at: get(row, 2)? });
        self.all(sql, &[&tenant], read)
    }

    fn put_chain(&self, tenant: i64, chain: &ChainRow) -> Result<()> {
        let sql = "insert into chain (merchant, id, joined, at) values ($1, $2, $3, $4)
                   on conflict (merchant, id) do update set joined = excluded.joined, at = excluded.at";
        self.change_one(sql, &[&tenant, &chain.id, &chain.joined, &chain.at])
    }

    fn delete_chain(&self, tenant: i64, id: i64) -> Result<()> {
        self.change("delete from chain where merchant = $1 and id = $2", &[&tenant, &id]).map(drop)
    }

    fn unjoined(&self, tenant: Option<i64>) -> Result<Vec<i64>> {
        let sql = "select distinct c.merchant from chain c
                   where c.merchant <> 0 and ($1::bigint is null or c.merchant = $1) and exists (
                       select 1 from audit a where a.merchant = c.merchant and a.chain = c.id and a.seq > c.joined)";
        self.all(sql, &[&tenant], |row| get(row, 0))
    }
}

fn mac(row: &Row, at: usize) -> Result<Mac> {
    get::<&[u8]>(row, at)?.try_into().map_err(|_| Code::Tampered.into())
}

fn line(row: &Row) -> Result<Line> {
    let token: &[u8] = get(row, 5)?;
    let token = if token.is_empty() { String::new() } else { unpack(token)?.as_str().into() };
    let old = get::<Option<&[u8]>>(row, 8)?.map(Id::try_from).transpose().map_err(|_| Code::Tampered)?;
    let row_of = AuditRow {
        at: get(row, 2)?,
        actor: get(row, 3)?,
        action: Action::from_number(get(row, 4)?)?,
        token,
        reason: get(row, 6)?,
    };
    Ok(Line { chain: get(row, 0)?, seq: get(row, 1)?, row: row_of, old, mac: mac(row, 7)? })
}

fn main_line(row: &Row) -> Result<MainLine> {
    Ok(MainLine {
        seq: get(row, 0)?,
        kind: Kind::from_number(get(row, 1)?)?,
        chain: get(row, 2)?,
        first: get(row, 3)?,
        last: get(row, 4)?,
        link: get(row, 5)?,
        at: get(row, 6)?,
        body: get(row, 7)?,
        mac: mac(row, 8)?,
    })
}
