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
/// How often the open chains are read before they are taken as they come. Joins are rare beside a look.
const READINGS: u32 = 100;

/// The last line that is anchored of each merchant's main chain: its place and MAC.
type Anchors = BTreeMap<i64, (i64, Mac)>;

/// How far each of a main chain's chains that are not ended is joined.
type Joined = BTreeMap<i64, i64>;

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
            let anchors = self.look(VAULT, || self.check_anchors(keyring, head.as_ref()), &mut report)?;
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
                let found = self.look(*tenant, check, &mut report)?;
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

    /// Checks something until nothing is wrong with it, a few times. While it is being pruned, that does not count.
    fn look<T>(
        &self,
        tenant: i64,
        check: impl Fn() -> Result<(T, Option<AuditFault>)>,
        report: &mut AuditReport,
    ) -> Result<T> {
        let mut looks = 0;
        loop {
            let pruned = self.last_prune(tenant)?.map(|line| line.seq);
            let (found, fault) = check()?;
            looks += u32::from(self.last_prune(tenant)?.map(|line| line.seq) == pruned);
            if fault.is_none() || looks == LOOKS {
                report.fault = report.fault.take().or(fault);
                return Ok(found);
            }
        }
    }

    /// The line that says what was pruned last; none where it cannot be read, which the walk finds out.
    fn last_prune(&self, tenant: i64) -> Result<Option<MainLine>> {
        let mut last = None;
        let read = self.shared.store.read(&mut |rows| {
            last = rows.last_main(tenant, Some(Kind::Prune))?;
            Ok(())
        });
        match read {
            Err(error) if error.code() == Code::Tampered => Ok(None),
            other => other.map(|()| last),
        }
    }

    /// The chains that are not ended, and the main line with which that became so: each change of them comes with one, so
    /// that between two looks which find the same last line there was none.
    fn open_chains(&self, tenant: i64) -> Result<(i64, Joined)> {
        let (mut found, mut readings) = (None, 0);
        loop {
            readings += 1;
            self.shared.store.read(&mut |rows| {
                let end = || match rows.last_main(tenant, None) {
                    // The walk will name it.
                    Err(error) if error.code() == Code::Tampered => Ok(i64::MAX),
                    other => other.map(|last| last.map_or(0, |line| line.seq)),
                };
                let before = end()?;
                let chains = rows.chains(tenant)?;
                found = (end()? == before || readings == READINGS).then_some((before, chains));
                Ok(())
            })?;
            if let Some((end, chains)) = found.take() {
                let joined = by_chain(chains.iter().map(|ChainRow { id, joined, .. }| (*id, *joined)))?;
                return Ok((end, joined));
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
        let (end, noted) = self.open_chains(VAULT)?;
        let joined = |anchors: &Anchors| by_chain(anchors.iter().map(|(tenant, (seq, _))| (*tenant, *seq)));
        let mut expected: Option<Joined> = None;
        let start = Stump { from: 1, ..Stump::default() };
        let mut walk = Walk::from(keyring, (VAULT, Owner::Vault, ""), &start);
        let fault = walk.main(self, i64::MIN, &mut |line| {
            there |= Some(line.seq) == wanted && head == Some(&super::head_of(line));
            for (tenant, seq, mac) in anchored(&line.body)? {
                anchors.insert(tenant, (seq, mac));
            }
            if line.seq == end {
                expected = Some(joined(&anchors)?);
            }
            Ok(line.kind == Kind::Anchor)
        })?;
        let mut fault = fault.or_else(|| {
            let wanted = wanted.filter(|_| !there)?;
            Some(main_fault(FaultKind::Cut, "", wanted))
        });
        let expected = expected.map_or_else(|| joined(&anchors), Ok)?;
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
        let pruned = self.last_prune(tenant)?;
        let stump = match pruned.as_ref().map(|line| Stump::from_bytes(&line.body)) {
            Some(Err(_)) => {
                let seq = pruned.map_or(1, |line| line.seq);
                return Ok((report, Some(main_fault(FaultKind::Edited, name, seq))));
            }
            Some(Ok(stump)) => stump,
            None => Stump { from: 1, ..Stump::default() },
        };
        report.pruned = stump.pruned.unsigned_abs();
        let mut walk = Walk::from(keyring, (tenant, Owner::Merchant(name), name), &stump);
        let (end, noted) = self.open_chains(tenant)?;
        let mut chains = Chains::behind(&stump)?;
        let mut expected = (end < stump.from).then(|| chains.open()).transpose()?;
        let (mut last, mut anchor_fits) = (stump.from - 1, true);
        let fault = walk.main(self, i64::MIN, &mut |line| {
            last = line.seq;
            anchor_fits &= anchor.is_none_or(|(seq, mac)| *seq != line.seq || *mac == line.mac);
            let fits = anchor_fits && chains.take(line);
            if line.seq == end {
                expected = Some(chains.open()?);
            }
            Ok(fits)
        })?;
        if fault.is_some() {
            return Ok((report, fault));
        }
        if anchor.is_some_and(|(seq, _)| *seq > last) {
            return Ok((report, Some(main_fault(FaultKind::Cut, name, last + 1))));
        }
        let expected = expected.map_or_else(|| chains.open(), Ok)?;
        if noted != expected {
            return Ok((report, Some(differing(&noted, &expected, name))));
        }
        let fault = walk.lines(self, &mut chains, &mut report)?;
        report.chains = chains.0.len() as u64;
        Ok((report, fault))
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
fn differing(noted: &Joined, expected: &Joined, merchant: &str) -> AuditFault {
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

    /// Those that are not ended, and how far they are joined.
    fn open(&self) -> Result<Joined> {
        let open = self.0.iter().filter(|(_, chain)| !chain.ended);
        by_chain(open.map(|(id, chain)| (*id, chain.joined())))
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
    /// The main line that is to come next, and the MAC of the one before.
    next: (i64, Mac),
}

impl<'w> Walk<'w> {
    fn from(keyring: &'w Keyring, of: (i64, Owner<'w>, &'w str), stump: &Stump) -> Walk<'w> {
        let (tenant, owner, name) = of;
        Walk { keyring, owner, name, tenant, next: (stump.from, stump.before) }
    }

    /// Walks the main chain, reading it from a place on. `take` says whether a line that is genuine fits those before it.
    fn main(
        &mut self,
        vault: &Vault,
        mut from: i64,
        take: &mut dyn FnMut(&MainLine) -> Result<bool>,
    ) -> Result<Option<AuditFault>> {
        let (mut next, mut before) = self.next;
        let name = self.name;
        let fault = |kind, seq| Ok(Some(main_fault(kind, name, seq)));
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
                self.next = (next, before);
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
                let chain = page[place].chain;
                if !chains.0.contains_key(&chain) && chain >= self.next.0 {
                    if let Some(fault) = self.newer_chains(vault, chains)? {
                        return Ok(Some(fault));
                    }
                }
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

    /// Takes in the chains that were opened since the main chain was walked. What else was written to it since is about
    /// lines that were passed already, or counts as not joined.
    fn newer_chains(&mut self, vault: &Vault, chains: &mut Chains) -> Result<Option<AuditFault>> {
        self.main(vault, self.next.0, &mut |line| Ok(line.kind != Kind::Open || chains.take(line)))
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
