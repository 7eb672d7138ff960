//! The form of the tables in PostgreSQL, as a writer of the database without keys may have changed it.
//!
//! A rule or a trigger can swallow a write that was acknowledged, a policy can hide rows, a table that inherits can show
//! more of them, a table without a log is empty after a crash, and without its unique index a key is there twice.
//! Foreign keys and publications are fine: their triggers are the server's own.

use super::session::Session;
use crate::error::{Code, Result};

/// Each key of each table: its columns in the order of the index.
const KEYS: [(&str, &str); 17] = [
    ("fence", "id"),
    ("epoch", "kind,id"),
    ("merchant", "id"),
    ("merchant", "name"),
    ("card", "merchant,id"),
    ("card_fp", "merchant,fingerprint"),
    ("instrument", "merchant,token"),
    ("customer", "merchant,id"),
    ("customer", "merchant,reference"),
    ("idempotency", "merchant,key"),
    ("tombstone", "merchant,token"),
    ("credential", "id"),
    ("audit", "merchant,chain,seq"),
    ("audit_main", "merchant,seq"),
    ("chain", "merchant,id"),
    ("audit_old", "merchant,seq"),
    ("audit_old", "merchant,id"),
];

/// How many of the keys stand on a plain table with nothing on it that changes what a statement does.
const SOUND: &str = "
    select count(*)::int from unnest($1::text[], $2::text[]) as k (name, columns)
    join pg_class c on c.oid = to_regclass('panseal.' || k.name)
    where c.relkind = 'r' and c.relpersistence = 'p' and not c.relrowsecurity and not c.relforcerowsecurity
        and not exists (select 1 from pg_rewrite r where r.ev_class = c.oid)
        and not exists (select 1 from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal)
        and not exists (select 1 from pg_inherits h where h.inhrelid = c.oid or h.inhparent = c.oid)
        and not exists (
            select 1 from pg_attribute a
            where a.attrelid = c.oid and a.attnum > 0 and (a.attgenerated <> '' or a.attidentity <> ''))
        and exists (
            select 1 from pg_index i
            where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indimmediate
                and i.indpred is null and i.indexprs is null
                and k.columns = (
                    select string_agg(a.attname, ',' order by n.place)
                    from unnest(i.indkey::int2[]) with ordinality as n (number, place)
                    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = n.number))";

/// `Tampered` where somebody has changed the form of the tables.
pub fn check(session: &mut Session) -> Result<()> {
    let (names, columns): (Vec<&str>, Vec<&str>) = KEYS.into_iter().unzip();
    let rows = session.query(SOUND, &[&names, &columns])?;
    let sound: Option<i32> = rows.first().and_then(|row| row.try_get(0).ok());
    if sound == i32::try_from(KEYS.len()).ok() { Ok(()) } else { Err(Code::Tampered.into()) }
}
