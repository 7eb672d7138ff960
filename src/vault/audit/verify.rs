//! Checking the trail: every MAC of every chain, from the main chains down to the lines.

use super::super::store::{ChainRow, Head, ID_LEN, Kind, Line, Mac, MainLine, Rows, VAULT};
use super::super::{LIST_MAX, Vault};
use super::mac::{Chainer, NOTHING, Owner};
use super::prune::Stump;
use super::write::{anchored, each_tenant};
use super::{HEAD_LEN, id_of};
use crate::error::{Code, Result};
use crate::keys::Keyring;
use crate::secret::reserve;
use std::collections::BTreeMap;

/// How often a merchant's trail is looked at before a fault is believed: while others write, join and prune, what was
/// read first may not fit what is read later.
const LOOKS: u32 = 3;

/// The last line that is anchored of each merchant's main chain: its place and MAC.
type Anchors = BTreeMap<i64, (i64, Mac)>;

/// What was done to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// It says something else than what was written.
    Edited,
    /// It is gone.
    Removed,
    /// It was not written by the vault.
    Inserted,
    /// It stands at another place than it was written to.
    Reordered,
    /// It and all behind it are gone.
    Cut,
}

impl FaultKind {
    /// `edited`, `removed`, `inserted`, `reordered`, `cut`.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Edited => "edited",
            FaultKind::Removed => "removed",
            FaultKind::Inserted => "inserted",
            FaultKind::Reordered => "reordered",
            FaultKind::Cut => "cut",
        }
    }
}

/// The first thing that is wrong with a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFault {
    /// What was done.
    pub kind: FaultKind,
    /// In which merchant's trail; `#` and a number for one whose name is not there.
    pub merchant: Box<str>,
    /// In which table: `audit`, `audit_main` or `chain`.
    pub table: &'static str,
    /// The line's chain; 0 for a line of a main chain, and for those of before version 4.
    pub chain: i64,
    /// The line's place.
    pub seq: i64,
    /// The line's id, if it is joined.
    pub id: Option<[u8; ID_LEN]>,
}

/// What [`Vault::verify_audit`] has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Merchants with a trail.
    pub merchants: u64,
    /// Chains of theirs, but for those that were pruned.
    pub chains: u64,
    /// Lines that are joined: none of them can be changed or cut off unnoticed.
    pub joined: u64,
    /// Lines behind the last join of their chain: the last ones of these can be cut off unnoticed.
    pub unjoined: u64,
    /// Lines that were pruned.
    pub pruned: u64,
    /// The first fault; `None`: all is as it was written.
    pub fault: Option<AuditFault>,
}

impl Vault {
    /// Checks the audit trail of all merchants. With the audit head that [`Status::audit_head`](super::super::Status) gave
    /// before, also that it goes on from what was there then: without one, a whole older state is not noticed.
    ///
    /// Reads every line: for an operator, not for every minute. `Argument` for a head that is none.
    pub fn verify_audit(&self, head: Option<&[u8]>) -> Result<AuditReport> {
        let head =
            head.map(|head| <[u8; HEAD_LEN]>::try_from(head).map_err(|_| Code::Argument)).transpose()?;
        self.ask("verify", 0)?;
        self.work(|keyring, _| {
            self.flush_refused(keyring)?;
            match self.join_committed(keyring, true) {
                // What does not fit is found below, and named.
                Err(error) if error.code() == Code::Tampered => {}
                other => other?,
            }
            let mut report = AuditReport::default();
            let anchors = self.look(|| self.check_anchors(keyring, head.as_ref()), &mut report)?;
            let mut tenants = Vec::new();
            self.shared.store.read(&mut |rows| {
                tenants.clear();
                each_tenant(rows, |tenant, name| {
                    tenants.push((tenant, name.to_owned()));
                    Ok(())
                })
            })?;
            let gone = anchors.keys().find(|anchor| !tenants.iter().any(|(tenant, _)| tenant == *anchor));
            if let (None, Some(gone)) = (&report.fault, gone) {
                report.fault = Some(main_fault(FaultKind::Cut, &format!("#{gone}"), 1));
            }
            for (tenant, name) in &tenants {
                let check = || self.check_merchant(keyring, *tenant, name, anchors.get(tenant));
                let found = self.look(check, &mut report)?;
                report.merchants += u64::from(found.joined + found.unjoined + found.pruned > 0);
                report.chains += found.chains;
                report.joined += found.joined;
                report.unjoined += found.unjoined;
                report.pruned += found.pruned;
            }
            self.check_strays(&mut report)?;
            Ok(report)
        })
    }

    /// Checks something until nothing is wrong with it, a few times.
    fn look<T>(
        &self,
        check: impl Fn() -> Result<(T, Option<AuditFault>)>,
        report: &mut AuditReport,
    ) -> Result<T> {
        let mut looks = 0;
        loop {
            let (found, fault) = check()?;
            looks += 1;
            if fault.is_none() || looks == LOOKS {
                report.fault = report.fault.take().or(fault);
                return Ok(found);
            }
        }
    }

    /// The vault's own main chain: for each merchant the last line that it has anchored.
    fn check_anchors(
        &self,
        keyring: &Keyring,
        head: Option<&[u8; HEAD_LEN]>,
    ) -> Result<(Anchors, Option<AuditFault>)> {
        let mut anchors = Anchors::new();
        let wanted = head.map(|head| i64::from_be_bytes(head[..8].try_into().unwrap_or_default()));
        let mut there = wanted.is_none();
        let mut walk = Walk { keyring, owner: Owner::Vault, name: "", tenant: VAULT };
        let fault = walk.main(self, &Stump { from: 1, ..Stump::default() }, &mut |line| {
            there |= Some(line.seq) == wanted && head == Some(&super::head_of(line));
            for (tenant, seq, mac) in anchored(&line.body)? {
                anchors.insert(tenant, (seq, mac));
            }
            Ok(line.kind == Kind::Anchor)
        })?;
        let mut fault = fault.or_else(|| {
            let wanted = wanted.filter(|_| !there)?;
            Some(main_fault(FaultKind::Cut, "", wanted))
        });
        let mut chains = Vec::new();
        self.shared.store.read(&mut |rows| {
            chains = rows.chains(VAULT)?;
            Ok(())
        })?;
        let noted = by_chain(chains.iter().map(|chain| (chain.id, chain.joined)))?;
        let expected = by_chain(anchors.iter().map(|(tenant, (seq, _))| (*tenant, *seq)))?;
        if fault.is_none() && noted != expected {
            fault = Some(differing(&noted, &expected, ""));
        }
        Ok((anchors, fault))
    }

    fn check_merchant(
        &self,
        keyring: &Keyring,
        tenant: i64,
        name: &str,
        anchor: Option<&(i64, Mac)>,
    ) -> Result<(AuditReport, Option<AuditFault>)> {
        let mut report = AuditReport::default();
        let mut walk = Walk { keyring, owner: Owner::Merchant(name), name, tenant };
        let mut pruned = None;
        let read = self.shared.store.read(&mut |rows| {
            pruned = rows.last_main(tenant, Some(Kind::Prune))?;
            Ok(())
        });
        let stump = match read.and_then(|()| match &pruned {
            Some(line) => Stump::from_bytes(&line.body),
            None => Ok(Stump { from: 1, ..Stump::default() }),
        }) {
            Err(error) if error.code() == Code::Tampered => {
                let seq = pruned.map_or(1, |line| line.seq);
                return Ok((report, Some(main_fault(FaultKind::Edited, name, seq))));
            }
            other => other?,
        };
        report.pruned = stump.pruned.unsigned_abs();
        let mut chains = Chains::behind(&stump)?;
        let (mut last, mut anchor_fits) = (stump.from - 1, true);
        let fault = walk.main(self, &stump, &mut |line| {
            last = line.seq;
            anchor_fits &= anchor.is_none_or(|(seq, mac)| *seq != line.seq || *mac == line.mac);
            Ok(anchor_fits && chains.take(line))
        })?;
        if fault.is_some() {
            return Ok((report, fault));
        }
        if anchor.is_some_and(|(seq, _)| *seq > last) {
            return Ok((report, Some(main_fault(FaultKind::Cut, name, last + 1))));
        }
        if let Some(fault) = self.check_open_chains(tenant, name, &chains)? {
            return Ok((report, Some(fault)));
        }
        report.chains = chains.0.len() as u64;
        let fault = walk.lines(self, &mut chains, &mut report)?;
        Ok((report, fault))
    }

    /// What the table of chains that are not ended says, beside what the main chain does.
    fn check_open_chains(&self, tenant: i64, name: &str, chains: &Chains) -> Result<Option<AuditFault>> {
        let mut rows_of = Vec::new();
        self.shared.store.read(&mut |rows| {
            rows_of = rows.chains(tenant)?;
            Ok(())
        })?;
        let noted = by_chain(rows_of.iter().map(|ChainRow { id, joined, .. }| (*id, *joined)))?;
        let open = chains.0.iter().filter(|(_, chain)| !chain.ended);
        let expected = by_chain(open.map(|(id, chain)| (*id, chain.joined())))?;
        Ok((noted != expected).then(|| differing(&noted, &expected, name)))
    }

    /// Lines of merchants that are not there.
    fn check_strays(&self, report: &mut AuditReport) -> Result<()> {
        let mut stray = None;
        self.shared.store.read(&mut |rows| {
            stray = rows.strays()?;
            Ok(())
        })?;
        if let (None, Some((tenant, chain, seq))) = (&report.fault, stray) {
            let table = if chain == 0 { "audit_main" } else { "audit" };
            let merchant = format!("#{tenant}").into();
            report.fault =
                Some(AuditFault { kind: FaultKind::Inserted, merchant, table, chain, seq, id: None });
        }
        Ok(())
    }
}

/// What is known of each chain, of which there may be many.
fn by_chain<T>(chains: impl IntoIterator<Item = (i64, T)>) -> Result<BTreeMap<i64, T>> {
    let mut all = BTreeMap::new();
    for (chain, known) in chains {
        all.insert(chain, known);
        reserve::check()?;
    }
    Ok(all)
}

/// The first chain of which two tables say different things.
fn differing(noted: &BTreeMap<i64, i64>, expected: &BTreeMap<i64, i64>, merchant: &str) -> AuditFault {
    let all = noted.keys().chain(expected.keys());
    let chain = all.filter(|chain| noted.get(chain) != expected.get(chain)).min().copied().unwrap_or(0);
    let kind = match (noted.contains_key(&chain), expected.contains_key(&chain)) {
        (true, true) => FaultKind::Edited,
        (true, false) => FaultKind::Inserted,
        _ => FaultKind::Removed,
    };
    AuditFault { kind, merchant: merchant.into(), table: "chain", chain, seq: 0, id: None }
}

fn main_fault(kind: FaultKind, merchant: &str, seq: i64) -> AuditFault {
    AuditFault { kind, merchant: merchant.into(), table: "audit_main", chain: 0, seq, id: None }
}

/// A chain as its main chain has it, and how far its lines were checked.
struct Chain {
    checked: Head,
    /// The last lines of its joins, each with its MAC and the join's place.
    joins: Vec<(i64, Mac, i64)>,
    /// Up to where it was pruned.
    pruned: i64,
    ended: bool,
}

impl Chain {
    fn at(head: Head) -> Chain {
        Chain { checked: head, joins: Vec::new(), pruned: head.seq, ended: false }
    }

    fn joined(&self) -> i64 {
        self.joins.last().map_or(self.pruned, |(last, ..)| *last)
    }

    /// The join that covers a line.
    fn join_of(&self, seq: i64) -> Option<&(i64, Mac, i64)> {
        self.joins.get(self.joins.partition_point(|(last, ..)| *last < seq))
    }
}

/// The chains of a merchant.
struct Chains(BTreeMap<i64, Chain>);

impl Chains {
    /// As they were when the trail was pruned last.
    fn behind(stump: &Stump) -> Result<Chains> {
        Ok(Chains(by_chain(stump.chains.iter().map(|head| (head.chain, Chain::at(*head))))?))
    }

    /// Takes in what a main line says; says whether it fits those before it.
    fn take(&mut self, line: &MainLine) -> bool {
        match line.kind {
            Kind::Open => {
                let head = Head { chain: line.seq, seq: 0, mac: line.mac };
                line.chain == line.seq && self.0.insert(line.chain, Chain::at(head)).is_none()
            }
            Kind::Join | Kind::End => {
                if line.seq == 1 && line.chain == 0 {
                    // That of the lines of before version 4 has no opening line.
                    self.0.insert(0, Chain::at(Head { chain: 0, seq: 0, mac: NOTHING }));
                }
                let Some(chain) = self.0.get_mut(&line.chain) else { return false };
                let Ok(link) = line.link.as_slice().try_into() else { return false };
                if chain.ended || line.first != chain.joined() + 1 || line.last < line.first {
                    return false;
                }
                chain.joins.push((line.last, link, line.seq));
                chain.ended = line.kind == Kind::End;
                true
            }
            Kind::Prune => true,
            Kind::Anchor => false,
        }
    }

    /// The first chain with lines that were joined and are not there.
    fn cut(&self) -> Option<(i64, &Chain)> {
        self.0.iter().find(|(_, chain)| chain.checked.seq < chain.joined()).map(|(id, chain)| (*id, chain))
    }
}

/// A walk through one owner's chains.
struct Walk<'w> {
    keyring: &'w Keyring,
    owner: Owner<'w>,
    name: &'w str,
    tenant: i64,
}

impl Walk<'_> {
    /// Walks the main chain. `take` says whether a line that is genuine fits those before it.
    fn main(
        &mut self,
        vault: &Vault,
        stump: &Stump,
        take: &mut dyn FnMut(&MainLine) -> Result<bool>,
    ) -> Result<Option<AuditFault>> {
        let (mut next, mut before) = (stump.from, stump.before);
        let fault = |kind, seq| Ok(Some(main_fault(kind, self.name, seq)));
        let mut from = i64::MIN;
        loop {
            let (page, broken) = vault.page_of(|rows, last: Option<&MainLine>, limit| {
                rows.main_lines(self.tenant, last.map_or(from, |line| line.seq + 1), limit)
            })?;
            for (place, line) in page.iter().enumerate() {
                if line.seq != next {
                    let kind = if line.seq < next { FaultKind::Inserted } else { FaultKind::Removed };
                    return fault(kind, next.min(line.seq));
                }
                let kind = Chainer::lend(self.keyring, self.owner, |chainer| {
                    let is_at = |line: &MainLine, seq: i64, before: &Mac| {
                        chainer.main(&MainLine { seq, ..line.clone() }, before) == line.mac
                    };
                    kind_of(&page[place..], next, &before, is_at)
                })?;
                if let Some(kind) = kind {
                    return fault(kind, line.seq);
                }
                if !take(line)? {
                    return fault(FaultKind::Edited, line.seq);
                }
                (next, before) = (line.seq + 1, line.mac);
            }
            if broken {
                return fault(FaultKind::Edited, next);
            }
            match page.last() {
                Some(last) if page.len() == LIST_MAX => from = last.seq + 1,
                _ => return Ok(None),
            }
        }
    }

    /// Walks the lines of all chains.
    fn lines(
        &mut self,
        vault: &Vault,
        chains: &mut Chains,
        report: &mut AuditReport,
    ) -> Result<Option<AuditFault>> {
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let (page, broken) = vault.page_of(|rows, last: Option<&Line>, limit| {
                rows.all_lines(self.tenant, last.map_or(after, |line| (line.chain, line.seq)), limit)
            })?;
            for place in 0..page.len() {
                if let Some(fault) = self.line(&page, place, chains, report)? {
                    return Ok(Some(fault));
                }
            }
            if broken {
                let last = page.last().map_or((0, 0), |line| (line.chain, line.seq));
                let (chain, next) = match chains.cut() {
                    Some((id, chain)) => (id, chain.checked.seq + 1),
                    None => (last.0, last.1 + 1),
                };
                return Ok(Some(self.fault(FaultKind::Edited, chain, next, chains.0.get(&chain))));
            }
            match page.last() {
                Some(last) if page.len() == LIST_MAX => after = (last.chain, last.seq),
                _ => break,
            }
        }
        Ok(chains.cut().map(|(id, chain)| self.fault(FaultKind::Cut, id, chain.checked.seq + 1, Some(chain))))
    }

    fn line(
        &self,
        page: &[Line],
        place: usize,
        chains: &mut Chains,
        report: &mut AuditReport,
    ) -> Result<Option<AuditFault>> {
        let line = &page[place];
        let Some(chain) = chains.0.get_mut(&line.chain) else {
            return Ok(Some(self.fault(FaultKind::Inserted, line.chain, line.seq, None)));
        };
        let next = chain.checked.seq + 1;
        let is_behind_end = chain.ended && line.seq > chain.joined();
        if line.seq < next || is_behind_end {
            return Ok(Some(self.fault(FaultKind::Inserted, line.chain, line.seq, Some(chain))));
        }
        if line.seq > next {
            return Ok(Some(self.fault(FaultKind::Removed, line.chain, next, Some(chain))));
        }
        let before = chain.checked.mac;
        let of_chain = page[place..].iter().take_while(|other| other.chain == line.chain).count();
        let of_chain = &page[place..place + of_chain];
        let kind = Chainer::lend(self.keyring, self.owner, |chainer| {
            let is_at = |other: &Line, seq: i64, before: &Mac| {
                chainer.line(&Line { seq, ..other.clone() }, before) == other.mac
            };
            kind_of(of_chain, next, &before, is_at)
        })?;
        let join = chain.join_of(line.seq).copied();
        let is_linked = join.is_none_or(|(last, link, _)| last != line.seq || link == line.mac);
        let is_last = of_chain.len() == 1;
        let kind = match kind {
            // What stands behind all joins, and nothing behind it, was never a line of this chain.
            Some(FaultKind::Edited) if join.is_none() && is_last => Some(FaultKind::Inserted),
            None if !is_linked => Some(FaultKind::Edited),
            other => other,
        };
        if let Some(kind) = kind {
            return Ok(Some(self.fault(kind, line.chain, line.seq, Some(chain))));
        }
        chain.checked = Head { seq: line.seq, mac: line.mac, ..chain.checked };
        *(if join.is_some() { &mut report.joined } else { &mut report.unjoined }) += 1;
        Ok(None)
    }

    fn fault(&self, kind: FaultKind, chain: i64, seq: i64, of: Option<&Chain>) -> AuditFault {
        let id = of.and_then(|of| of.join_of(seq)).map(|(_, _, join)| id_of(*join, seq));
        AuditFault { kind, merchant: self.name.into(), table: "audit", chain, seq, id }
    }
}

/// What is wrong with the first of some lines, where `is_at` says whether a line was written to a place behind a
/// predecessor.
fn kind_of<L: HasMac>(
    lines: &[L],
    seq: i64,
    before: &Mac,
    is_at: impl Fn(&L, i64, &Mac) -> bool,
) -> Option<FaultKind> {
    let of_here = lines.iter().position(|line| is_at(line, seq, before));
    match of_here {
        Some(0) => None,
        None => Some(FaultKind::Edited),
        // Where what was written from here on stands one place further, this line came between.
        Some(1) => {
            let follows = |line: &L| is_at(line, seq + 1, &lines[1].mac());
            let is_shifted = !follows(&lines[0]) && lines.get(2).is_none_or(follows);
            Some(if is_shifted { FaultKind::Inserted } else { FaultKind::Reordered })
        }
        Some(_) => Some(FaultKind::Reordered),
    }
}

trait HasMac {
    fn mac(&self) -> Mac;
}

impl HasMac for Line {
    fn mac(&self) -> Mac {
        self.mac
    }
}

impl HasMac for MainLine {
    fn mac(&self) -> Mac {
        self.mac
    }
}

impl Vault {
    /// A page of lines, and whether one behind them cannot even be read.
    fn page_of<L>(
        &self,
        read: impl Fn(&dyn Rows, Option<&L>, usize) -> Result<Vec<L>>,
    ) -> Result<(Vec<L>, bool)> {
        let some = |last: Option<&L>, limit| {
            let mut page = Vec::new();
            self.shared.store.read(&mut |rows| {
                page = read(rows, last, limit)?;
                Ok(())
            })?;
            Ok(page)
        };
        let is_tampered =
            |page: &Result<Vec<L>>| page.as_ref().is_err_and(|error| error.code() == Code::Tampered);
        let page = some(None, LIST_MAX);
        if !is_tampered(&page) {
            return Ok((page?, false));
        }
        let mut good: Vec<L> = Vec::new();
        loop {
            let next = some(good.last(), 1);
            if is_tampered(&next) {
                return Ok((good, true));
            }
            match next?.pop() {
                Some(line) => good.push(line),
                None => return Ok((good, false)),
            }
        }
    }
}
