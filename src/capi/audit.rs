//! Chapter 'audit and guard': who did what to which token, and whether it may be done.

use super::library::{
    PANSEAL_ID_ROOM, PANSEAL_LIST_MAX, PANSEAL_REASON_ROOM, PANSEAL_TOKEN_ROOM, PANSEAL_WORD_ROOM,
    panseal_error, panseal_status, panseal_text,
};
use super::pass;
use super::record::{self, Out, Page, Record};
use super::vault::{panseal_vault, with_vault};
use super::vault_keys::{PANSEAL_AUDIT_HEAD_LEN, hand_out};
use crate::error::{Code, Result};
use crate::vault::{AuditFault, AuditLine, AuditQuery, AuditReport, FaultKind, Guard, Operation};
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// Bytes of a line's id.
pub const PANSEAL_LINE_ID_LEN: usize = 16;

/// What is wrong with a line of the audit trail: nothing.
pub const PANSEAL_AUDIT_WHOLE: u32 = 0;
/// It says something else than what was written.
pub const PANSEAL_AUDIT_EDITED: u32 = 1;
/// It is gone.
pub const PANSEAL_AUDIT_REMOVED: u32 = 2;
/// It was not written by the vault.
pub const PANSEAL_AUDIT_INSERTED: u32 = 3;
/// It stands at another place than it was written to.
pub const PANSEAL_AUDIT_REORDERED: u32 = 4;
/// It and all behind it are gone.
pub const PANSEAL_AUDIT_CUT: u32 = 5;

/// Which lines of the audit trail are wanted; all zero: all of them.
#[repr(C)]
pub struct panseal_audit_query {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Those about this token. Absent: all.
    pub token: panseal_text,
    /// Those behind the line with this id. Zeros: from the first.
    pub after: [u8; PANSEAL_LINE_ID_LEN],
}

/// A line of the audit trail. Texts end with a NUL.
#[repr(C)]
pub struct panseal_audit_line {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// When, in seconds since 1970 UTC.
    pub at: i64,
    /// Ascending in the order of the trail, which is the same for everybody.
    pub id: [u8; PANSEAL_LINE_ID_LEN],
    /// "tokenize", "reuse", "refuse", "detokenize", "update", "deactivate", "reactivate", "delete", "purge",
    /// "customer", "rotate", "rewrap", "destroy", "change_index", "change_root", "settings", "grant",
    /// "revoke", "prune".
    pub action: [c_char; PANSEAL_WORD_ROOM],
    /// Who acted, or "".
    pub actor: [c_char; PANSEAL_ID_ROOM],
    /// The token that was acted on, or "".
    pub token: [c_char; PANSEAL_TOKEN_ROOM],
    /// Why, or "".
    pub reason: [c_char; PANSEAL_REASON_ROOM],
}

/// What panseal_vault_verify_audit has found. Texts end with a NUL.
#[repr(C)]
pub struct panseal_audit_report {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// PANSEAL_AUDIT_...: what is wrong with the first line that something is wrong with.
    pub fault: u32,
    /// Merchants with a trail.
    pub merchants: u64,
    /// Their chains, but for those that were pruned.
    pub chains: u64,
    /// Lines that are joined: none of them can be changed or cut off unnoticed.
    pub joined: u64,
    /// Lines behind the last join of their chain: the last ones of these can be cut off unnoticed.
    pub unjoined: u64,
    /// Lines that were pruned.
    pub pruned: u64,
    /// The chain and the place in it of the line that something is wrong with; 0 is a main chain.
    pub fault_chain: i64,
    /// Its place.
    pub fault_seq: i64,
    /// Its id, or zeros.
    pub fault_id: [u8; PANSEAL_LINE_ID_LEN],
    /// Its table: "audit", "audit_main" or "chain".
    pub fault_table: [c_char; PANSEAL_WORD_ROOM],
    /// Its merchant.
    pub fault_merchant: [c_char; PANSEAL_ID_ROOM],
}

// SAFETY: repr(C), a u32 first, integers and raw pointers only.
unsafe impl Record for panseal_audit_query {}
unsafe impl Record for panseal_audit_report {}
unsafe impl Record for panseal_audit_line {}

/// Sees an operation before it happens: for which merchant, by which actor, of which kind, on how many cards or tokens.
/// 0 lets it go on; anything else ends the call with PANSEAL_E_CALLBACK, without effect.
///
/// Kinds are "tokenize", "lookup", "find", "list", "detokenize", "update", "deactivate", "reactivate", "delete",
/// "audit", "customer", "purge", "rotate", "rewrap", "destroy", "change_index", "change_root", "settings", "credential",
/// "check", "status", "verify", "prune".
/// The texts end with a NUL. Called on the thread of the call, with no lock held, from several threads at once. It must
/// not throw or longjmp.
pub type panseal_guard_fn = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        merchant: *const c_char,
        actor: *const c_char,
        kind: *const c_char,
        count: usize,
    ) -> i32,
>;

/// A page of the merchant's audit trail, the oldest line first. `query` NULL: all of it. As panseal_vault_list: up to
/// cap, at most PANSEAL_LIST_MAX; *count 0 is the end; to go on, ask again with query->after the last line's id. What is
/// committed is in it, and whoever goes on so sees each line once. PANSEAL_E_CONFLICT for lines behind one that was
/// pruned.
/// lines[0] must be PANSEAL_INITed: its struct_size is the stride of the array.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_audit(
    vault: *mut panseal_vault,
    query: *const panseal_audit_query,
    lines: *mut panseal_audit_line,
    cap: usize,
    count: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let query = if query.is_null() { None } else { Some(unsafe { record::read(query) }?) };
            let query = query.map_or(Ok(AuditQuery::default()), |query| unsafe { wanted(&query) })?;
            let page = unsafe { Page::new(lines, cap, count) }?;
            let limit = page.limit(PANSEAL_LIST_MAX as usize)?;
            page.write(&vault.audit(&AuditQuery { limit, ..query })?, describe);
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Checks the audit trail of all merchants, and says in `report` what is there and what is wrong first. `head` (NULL: none)
/// has the PANSEAL_AUDIT_HEAD_LEN bytes that panseal_vault_status gave before: then the trail must go on from what was
/// there at that time; without it an older state as a whole is not noticed. A trail with a fault is PANSEAL_OK too. Reads
/// every line: for an operator, not for every minute.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_verify_audit(
    vault: *mut panseal_vault,
    head: *const u8,
    report: *mut panseal_audit_report,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let report = unsafe { Out::new(report) }?;
            let head = if head.is_null() {
                None
            } else {
                Some(unsafe { head.cast::<[u8; PANSEAL_AUDIT_HEAD_LEN]>().read_unaligned() })
            };
            report.write(&describe_report(&vault.verify_audit(head.as_ref().map(|head| &head[..]))?));
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Removes the merchant's lines of the audit trail that are older than `before`, in seconds since 1970 UTC; *pruned (may
/// be NULL) is how many. The rest can be checked as before. Stopped or killed, call it again. Whoever asks for the lines
/// behind one that was pruned gets PANSEAL_E_CONFLICT where others between them were pruned too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_prune_audit(
    vault: *mut panseal_vault,
    before: i64,
    pruned: *mut u64,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let lines = vault.prune_audit(before)?;
            unsafe { hand_out(lines, pruned) };
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Has `guard` asked before every operation of this handle, and of all that are related to it by
/// panseal_vault_merchant, from now on; NULL: nobody. What the guard refuses is PANSEAL_E_CALLBACK, with its answer in
/// err->system.
///
/// Whoever may tokenize with reuse, or panseal_vault_find, can confirm a guess at a card number: a guard can count and
/// slow down. `userdata` must be good until the guard is taken away, or the last of these handles closed, and all calls
/// that were inside have returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_guard(
    vault: *mut panseal_vault,
    guard: panseal_guard_fn,
    userdata: *mut c_void,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            vault.set_guard(guard.map(|function| Arc::new(GuardFn { function, userdata }) as Arc<dyn Guard>));
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// The caller's function as the vault knows one.
struct GuardFn {
    function: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char, usize) -> i32,
    userdata: *mut c_void,
}

// SAFETY: the header asks for a function that any thread may call with this userdata.
unsafe impl Send for GuardFn {}
unsafe impl Sync for GuardFn {}

impl Guard for GuardFn {
    fn allows(&self, operation: &Operation<'_>) -> bool {
        self.answer(operation) == Some(0)
    }

    fn answer(&self, operation: &Operation<'_>) -> Option<i32> {
        let merchant = pass::field::<PANSEAL_ID_ROOM>(operation.merchant.as_bytes());
        let actor = pass::field::<PANSEAL_ID_ROOM>(operation.actor.as_bytes());
        let kind = pass::field::<PANSEAL_WORD_ROOM>(operation.kind.as_bytes());
        let (merchant, actor, kind) = (merchant.as_ptr(), actor.as_ptr(), kind.as_ptr());
        // SAFETY: the caller's function; the texts end with a NUL.
        Some(unsafe { (self.function)(self.userdata, merchant, actor, kind, operation.count) })
    }
}

/// # Safety
/// The record's text is readable for as long as the query is used.
unsafe fn wanted<'a>(query: &panseal_audit_query) -> Result<AuditQuery<'a>> {
    if query.reserved != 0 {
        return Err(Code::Argument.into());
    }
    let token = pass::utf8(unsafe { pass::text(&query.token) }?)?;
    Ok(AuditQuery {
        after: (query.after != [0; PANSEAL_LINE_ID_LEN]).then_some(query.after),
        token: (!token.is_empty()).then_some(token),
        limit: 0,
    })
}

fn describe_report(from: &AuditReport) -> panseal_audit_report {
    let fault = from.fault.as_ref();
    let kind = |fault: &AuditFault| match fault.kind {
        FaultKind::Edited => PANSEAL_AUDIT_EDITED,
        FaultKind::Removed => PANSEAL_AUDIT_REMOVED,
        FaultKind::Inserted => PANSEAL_AUDIT_INSERTED,
        FaultKind::Reordered => PANSEAL_AUDIT_REORDERED,
        FaultKind::Cut => PANSEAL_AUDIT_CUT,
    };
    panseal_audit_report {
        struct_size: 0,
        fault: fault.map_or(PANSEAL_AUDIT_WHOLE, kind),
        merchants: from.merchants,
        chains: from.chains,
        joined: from.joined,
        unjoined: from.unjoined,
        pruned: from.pruned,
        fault_chain: fault.map_or(0, |fault| fault.chain),
        fault_seq: fault.map_or(0, |fault| fault.seq),
        fault_id: fault.and_then(|fault| fault.id).unwrap_or_default(),
        fault_table: pass::field(fault.map_or(&[][..], |fault| fault.table.as_bytes())),
        fault_merchant: pass::field(fault.map_or(&[][..], |fault| fault.merchant.as_bytes())),
    }
}

fn describe(from: &AuditLine) -> panseal_audit_line {
    panseal_audit_line {
        struct_size: 0,
        reserved: 0,
        at: from.at(),
        id: from.id(),
        action: pass::field(from.action().as_bytes()),
        actor: pass::field(from.actor().as_bytes()),
        token: pass::field(from.token().as_bytes()),
        reason: pass::field(from.reason().as_bytes()),
    }
}
