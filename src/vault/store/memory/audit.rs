//! The audit trail in memory.

use super::super::Id;
use super::super::audit::{
    Action, AuditRows, ChainRow, Kind, Lane, Line, Mac, MainLine, Span, VAULT, new_or_again,
};
use super::rows::{MemoryRows, Tables};
use crate::error::{Code, Result};
use std::cell::RefMut;

impl AuditRows for MemoryRows<'_> {
    fn tenant_of(&self, merchant: &str) -> Result<i64> {
        Ok(self.tables().merchant_or_none(merchant))
    }

    fn tenant_made(&self, merchant: &str) -> Result<i64> {
        Ok(self.change()?.merchant_or_new(merchant))
    }

    fn tenants(&self, after: i64, limit: usize) -> Result<Vec<(i64, String)>> {
        let tables = self.tables();
        let behind = tables.merchant_names.behind(after).take(limit);
        Ok(behind.map(|(number, name)| (*number, name.clone())).collect())
    }

    fn lane(&self) -> Result<RefMut<'_, Lane>> {
        Ok(RefMut::map(self.change()?, |tables| &mut tables.lane))
    }

    /// A writer is alone.
    fn lock_main(&self, _: i64) -> Result<()> {
        Ok(())
    }

    fn line_mac(&self, tenant: i64, chain: i64, seq: i64) -> Result<Option<Mac>> {
        Ok(self.tables().audit.get(&(tenant, chain, seq)).map(|line| line.mac))
    }

    fn last_line(&self, tenant: i64, chain: i64) -> Result<Option<Line>> {
        let tables = self.tables();
        Ok(tables
            .audit
            .range((tenant, chain, 0)..=(tenant, chain, i64::MAX))
            .next_back()
            .map(|(_, line)| line.clone()))
    }

    fn lines(&self, tenant: i64, spans: &[Span], token: Option<&str>, limit: usize) -> Result<Vec<Line>> {
        let tables = self.tables();
        let of_span = |span: &Span| of_span(&tables, tenant, *span);
        let lines = spans.iter().flat_map(of_span).map(|(_, line)| line);
        let about = lines.filter(|line| {
            line.row.action != Action::END && token.is_none_or(|token| line.row.token == token)
        });
        Ok(about.take(limit).cloned().collect())
    }

    fn all_lines(&self, tenant: i64, after: (i64, i64), limit: usize) -> Result<Vec<Line>> {
        let tables = self.tables();
        let behind = tables.audit.behind((tenant, after.0, after.1)).take_while(|(key, _)| key.0 == tenant);
        Ok(behind.take(limit).map(|(_, line)| line.clone()).collect())
    }

    fn insert_lines(&self, tenant: i64, lines: &[Line]) -> Result<()> {
        let mut tables = self.change()?;
        let mut add = |line: &Line| tables.audit.add((tenant, line.chain, line.seq), line.clone());
        lines.iter().try_for_each(|line| new_or_again(add(line)))
    }

    fn delete_lines(&self, tenant: i64, span: Span) -> Result<u64> {
        let mut tables = self.change()?;
        let gone: Vec<_> = of_span(&tables, tenant, span).map(|(key, _)| *key).collect();
        for key in &gone {
            tables.audit.remove(key);
        }
        Ok(gone.len() as u64)
    }

    /// No vault in memory was ever of an older version.
    fn old_up_to(&self, _: i64, _: &Id) -> Result<i64> {
        Ok(0)
    }

    fn seal_old(&self, _: i64, _: &Line) -> Result<()> {
        Err(Code::Internal.into())
    }

    fn strays(&self) -> Result<Option<(i64, i64, i64)>> {
        Ok(None)
    }

    fn insert_main(&self, tenant: i64, line: &MainLine) -> Result<()> {
        new_or_again(self.change()?.audit_main.add((tenant, line.seq), line.clone()))
    }

    fn main_lines(&self, tenant: i64, from: i64, limit: usize) -> Result<Vec<MainLine>> {
        let tables = self.tables();
        let rest = tables.audit_main.range((tenant, from)..=(tenant, i64::MAX)).take(limit);
        Ok(rest.map(|(_, line)| line.clone()).collect())
    }

    fn last_main(&self, tenant: i64, kind: Option<Kind>) -> Result<Option<MainLine>> {
        let tables = self.tables();
        let mut lines = tables.audit_main.range((tenant, i64::MIN)..=(tenant, i64::MAX)).rev();
        Ok(lines.find(|(_, line)| kind.is_none_or(|kind| line.kind == kind)).map(|(_, line)| line.clone()))
    }

    fn delete_main(&self, tenant: i64, before: i64) -> Result<u64> {
        let mut tables = self.change()?;
        let gone: Vec<_> =
            tables.audit_main.range((tenant, i64::MIN)..(tenant, before)).map(|(key, _)| *key).collect();
        for key in &gone {
            tables.audit_main.remove(key);
        }
        Ok(gone.len() as u64)
    }

    fn chains(&self, tenant: i64) -> Result<Vec<ChainRow>> {
        let tables = self.tables();
        let chains = tables.chains.range((tenant, i64::MIN)..=(tenant, i64::MAX));
        Ok(chains.map(|(_, chain)| *chain).collect())
    }

    fn put_chain(&self, tenant: i64, chain: &ChainRow) -> Result<()> {
        self.change()?.chains.put((tenant, chain.id), *chain);
        Ok(())
    }

    fn delete_chain(&self, tenant: i64, id: i64) -> Result<()> {
        self.change()?.chains.remove(&(tenant, id));
        Ok(())
    }

    fn unjoined(&self, tenant: Option<i64>) -> Result<Vec<i64>> {
        let tables = self.tables();
        let is_unjoined = |key: &(i64, i64), chain: &ChainRow| {
            let mut behind = tables.audit.behind((key.0, key.1, chain.joined));
            key.0 != VAULT && behind.next().is_some_and(|(line, _)| (line.0, line.1) == *key)
        };
        let wanted = tables.chains.iter().filter(|(key, _)| tenant.is_none_or(|tenant| key.0 == tenant));
        let mut unjoined: Vec<i64> =
            wanted.filter(|(key, chain)| is_unjoined(key, chain)).map(|(key, _)| key.0).collect();
        unjoined.dedup();
        Ok(unjoined)
    }
}

fn of_span(tables: &Tables, tenant: i64, span: Span) -> impl Iterator<Item = (&(i64, i64, i64), &Line)> {
    let behind = tables.audit.range((tenant, span.chain, span.first)..);
    behind.take_while(move |(key, _)| **key <= (tenant, span.chain, span.last))
}
