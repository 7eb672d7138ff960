//! Removing the beginning of a merchant's trail so that the rest can still be checked.

use super::super::store::{Head, Kind, MAC_LEN, Mac, MainLine, Rows, Span, VAULT};
use super::super::{Vault, check_time};
use super::mac::{Owner, take_mac, take_number};
use super::write::MainChain;
use crate::error::{Code, Result};
use crate::keys::Keyring;
use crate::secret::reserve;
use std::collections::BTreeMap;

/// How many main lines are removed in one transaction.
const STEP: usize = 128;

/// What a `prune` line says: what the rest of the trail begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stump {
    /// The place of the first main line that is there.
    pub from: i64,
    /// Its predecessor's MAC.
    pub before: Mac,
    /// How many lines were pruned in all.
    pub pruned: i64,
    /// The last line that was pruned: the place of its join, and in its chain.
    pub last: (i64, i64),
    /// Where the chains stand that were opened before and are not ended there.
    pub chains: Vec<Head>,
}

impl Stump {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.from.to_be_bytes());
        body.extend_from_slice(&self.before);
        for number in [self.pruned, self.last.0, self.last.1] {
            body.extend_from_slice(&number.to_be_bytes());
        }
        for Head { chain, seq, mac } in &self.chains {
            body.extend_from_slice(&chain.to_be_bytes());
            body.extend_from_slice(&seq.to_be_bytes());
            body.extend_from_slice(mac);
        }
        body
    }

    pub fn from_bytes(body: &[u8]) -> Result<Stump> {
        let (from, rest) = take_number(body)?;
        let (before, rest) = take_mac(rest)?;
        let (pruned, rest) = take_number(rest)?;
        let (join, rest) = take_number(rest)?;
        let (seq, mut rest) = take_number(rest)?;
        let mut chains = reserve::room(rest.len() / (16 + MAC_LEN))?;
        while !rest.is_empty() {
            let (chain, behind) = take_number(rest)?;
            let (seq, behind) = take_number(behind)?;
            let (mac, behind) = take_mac(behind)?;
            chains.push(Head { chain, seq, mac });
            rest = behind;
        }
        Ok(Stump { from, before, pruned, last: (join, seq), chains })
    }
}

/// The stump of a merchant's trail as the last `prune` line has it, believed as it stands.
pub(super) fn stump(rows: &dyn Rows, tenant: i64) -> Result<Stump> {
    match rows.last_main(tenant, Some(Kind::Prune))? {
        Some(line) => Stump::from_bytes(&line.body),
        None => Ok(Stump { from: 1, ..Stump::default() }),
    }
}

/// `Conflict` where lines behind this place were pruned.
pub(super) fn check_after(rows: &dyn Rows, tenant: i64, after: (i64, i64)) -> Result<()> {
    if tenant != VAULT && after < stump(rows, tenant)?.last { Err(Code::Conflict.into()) } else { Ok(()) }
}

impl Vault {
    /// Removes the merchant's joined lines that are older than `before`, in seconds since 1970 UTC, join by join as long
    /// as all lines of a join are; says how many. The rest can be checked as before. Stopped or killed, run it again.
    pub fn prune_audit(&self, before: i64) -> Result<u64> {
        check_time(before)?;
        self.ask("prune", 0)?;
        // What is written meanwhile, the lines about this among it, is left for the next time.
        let end = self.work(|keyring, _| {
            self.join_committed(keyring, false)?;
            let mut last = None;
            self.shared.store.read(&mut |rows| {
                last = rows.last_main(rows.tenant_of(&self.merchant)?, None)?;
                Ok(())
            })?;
            Ok(last.map_or(0, |line| line.seq))
        })?;
        let mut pruned = 0;
        loop {
            let step = self.work(|keyring, now| {
                let mut is_due = false;
                self.shared.store.read(&mut |rows| {
                    is_due = self.is_prune_due(rows, (before, end))?;
                    Ok(())
                })?;
                if !is_due {
                    return Ok(None);
                }
                let line = self.line(now, "prune", "")?;
                let mut lines = 0;
                self.write(keyring, &line, &mut |rows| {
                    lines = self.prune_step(rows, keyring, (before, end), now)?;
                    Ok(())
                })?;
                Ok(Some(lines))
            })?;
            match step {
                Some(lines) => pruned += lines,
                None => return Ok(pruned),
            }
        }
    }

    /// Whether the first join may go.
    fn is_prune_due(&self, rows: &dyn Rows, limits: (i64, i64)) -> Result<bool> {
        let tenant = rows.tenant_of(&self.merchant)?;
        if tenant == VAULT {
            return Ok(false);
        }
        for line in rows.main_lines(tenant, stump(rows, tenant)?.from, STEP)? {
            let is_older = self.is_older(rows, tenant, &line, limits)?;
            if !is_older || matches!(line.kind, Kind::Join | Kind::End) {
                return Ok(is_older);
            }
        }
        Ok(false)
    }

    /// Removes some lines, and gives how many.
    fn prune_step(&self, rows: &dyn Rows, keyring: &Keyring, limits: (i64, i64), now: i64) -> Result<u64> {
        let tenant = rows.tenant_of(&self.merchant)?;
        let owner = Owner::Merchant(&self.merchant);
        let mut main = MainChain::locked(rows, keyring, (tenant, owner), now)?;
        let was = stump(rows, tenant)?;
        let mut next = was.clone();
        let mut open = BTreeMap::new();
        for head in &was.chains {
            open.insert(head.chain, *head);
            reserve::check()?;
        }
        let mut lines = 0;
        for line in rows.main_lines(tenant, was.from, STEP)? {
            if line.seq != next.from || !self.is_older(rows, tenant, &line, limits)? {
                break;
            }
            match line.kind {
                Kind::Open => {
                    open.insert(line.chain, Head { chain: line.chain, seq: 0, mac: line.mac });
                }
                Kind::Join | Kind::End => {
                    let span = Span { chain: line.chain, first: line.first, last: line.last };
                    lines += rows.delete_lines(tenant, span)?;
                    next.last = (line.seq, line.last);
                    let mac = line.link.as_slice().try_into().map_err(|_| Code::Tampered)?;
                    open.insert(line.chain, Head { chain: line.chain, seq: line.last, mac });
                    if line.kind == Kind::End {
                        open.remove(&line.chain);
                    }
                }
                Kind::Prune | Kind::Anchor => {}
            }
            (next.from, next.before) = (line.seq + 1, line.mac);
        }
        if lines == 0 {
            return Ok(0);
        }
        next.pruned += lines as i64;
        next.chains = reserve::gather(open.into_values().map(Ok))?;
        rows.delete_main(tenant, next.from)?;
        main.add(Kind::Prune, Span { chain: 0, first: 0, last: 0 }, &[], next.to_bytes())?;
        Ok(lines)
    }

    /// Whether a main line may go: all that it joins is older, or it joins nothing.
    fn is_older(
        &self,
        rows: &dyn Rows,
        tenant: i64,
        line: &MainLine,
        (before, end): (i64, i64),
    ) -> Result<bool> {
        if line.seq > end {
            return Ok(false);
        }
        if !matches!(line.kind, Kind::Join | Kind::End) {
            return Ok(line.at < before);
        }
        let mut first = line.first;
        while first <= line.last {
            let span = Span { chain: line.chain, first, last: line.last };
            let page = rows.lines(tenant, &[span], None, super::super::LIST_MAX)?;
            if page.iter().any(|line| line.row.at >= before) {
                return Ok(false);
            }
            match page.last() {
                Some(last) => first = last.seq + 1,
                None => break,
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stump_comes_back_as_it_was() {
        let chains =
            (1..4).map(|chain| Head { chain, seq: 7 * chain, mac: [chain as u8; MAC_LEN] }).collect();
        let stump = Stump { from: 9, before: [3; MAC_LEN], pruned: 1000, last: (8, 12), chains };
        let bytes = stump.to_bytes();
        assert_eq!(Stump::from_bytes(&bytes).unwrap(), stump);
        assert!(Stump::from_bytes(&bytes[1..]).is_err());
    }
}
