//! Chapter 'customers': who a merchant's cards belong to.

use super::library::{PANSEAL_ID_ROOM, PANSEAL_LIST_MAX, panseal_error, panseal_status};
use super::pass::{self, TextOut};
use super::record::{Out, Page, Record};
use super::vault::{panseal_vault, required, with_vault};
use crate::error::{Code, Result};
use crate::vault::{Customer, Vault};
use std::ffi::c_char;

/// A customer of the merchant's. Texts end with a NUL; times are seconds since 1970 UTC. It is about a person: not for
/// logs.
#[repr(C)]
pub struct panseal_customer {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// How long its data is, in bytes: panseal_vault_customer_data.
    pub data_len: u32,
    /// When it was made.
    pub created_at: i64,
    /// When it was changed last.
    pub updated_at: i64,
    /// When it was marked as deleted; 0: it is not.
    pub deleted_at: i64,
    /// Its id.
    pub id: [c_char; PANSEAL_ID_ROOM],
    /// Another name that leads to it, or "".
    pub reference: [c_char; PANSEAL_ID_ROOM],
    /// 1: its row does not open. But for the id all of the above is zero.
    pub damaged: i32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), a u32 first, integers only.
unsafe impl Record for panseal_customer {
    const FIRST_SIZE: usize = std::mem::offset_of!(panseal_customer, damaged);
}

/// Makes a customer. A vault needs none of them: panseal_tokenize_options.customer may be any id, but for a
/// customer_limit.
///
/// `id` and `reference` (absent: none) are UTF-8 of up to PANSEAL_ID_MAX bytes; `data` (absent: none) is a text, UTF-8,
/// of up to PANSEAL_METADATA_MAX bytes, which is sealed. `out` may be NULL. PANSEAL_E_CONFLICT where the merchant has
/// one of that id or reference; PANSEAL_E_LIMIT for longer data; PANSEAL_E_CARD where a card number is in
/// one of them; PANSEAL_E_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_customer_create(
    vault: *mut panseal_vault,
    id: *const c_char,
    id_len: usize,
    reference: *const c_char,
    reference_len: usize,
    data: *const c_char,
    data_len: usize,
    out: *mut panseal_customer,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || unsafe {
        giving(vault, (id, id_len), Out::optional(out), |vault, id| {
            let reference = pass::utf8(pass::bytes(reference, reference_len)?)?;
            let data = pass::utf8(pass::bytes(data, data_len)?)?;
            vault.create_customer(id, reference, data)
        })
    };
    unsafe { pass::call(err, work) }
}

/// A customer by its id, also one that is marked as deleted. PANSEAL_E_TOKEN where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_customer_get(
    vault: *mut panseal_vault,
    id: *const c_char,
    id_len: usize,
    out: *mut panseal_customer,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || unsafe {
        giving(vault, (id, id_len), Out::new(out).map(Some), |vault, id| there(vault.customer(id)?))
    };
    unsafe { pass::call(err, work) }
}

/// A customer by its reference. PANSEAL_E_TOKEN where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_customer_find(
    vault: *mut panseal_vault,
    reference: *const c_char,
    reference_len: usize,
    out: *mut panseal_customer,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || unsafe {
        giving(vault, (reference, reference_len), Out::new(out).map(Some), |vault, reference| {
            there(vault.customer_by_reference(reference)?)
        })
    };
    unsafe { pass::call(err, work) }
}

/// A customer's data, up to PANSEAL_METADATA_MAX bytes. PANSEAL_E_TOKEN where there is no such customer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_customer_data(
    vault: *mut panseal_vault,
    id: *const c_char,
    id_len: usize,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let id = pass::utf8(unsafe { required(id, id_len) }?)?;
            let out = unsafe { TextOut::new(out, cap, len) }?;
            out.write(there(vault.customer(id)?)?.data.as_bytes())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Puts other data in the place of a customer's. `out` may be NULL. PANSEAL_E_TOKEN where there is no such customer;
/// else as panseal_vault_customer_create.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_customer_update(
    vault: *mut panseal_vault,
    id: *const c_char,
    id_len: usize,
    data: *const c_char,
    data_len: usize,
    out: *mut panseal_customer,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || unsafe {
        giving(vault, (id, id_len), Out::optional(out), |vault, id| {
            let data = pass::utf8(pass::bytes(data, data_len)?)?;
            vault.update_customer(id, |_| Ok(data.to_owned()))
        })
    };
    unsafe { pass::call(err, work) }
}

/// Marks a customer as deleted (`deleted` 1), or takes the mark away (0); its instruments stay. `out` may be NULL.
/// PANSEAL_E_TOKEN where there is no such customer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_customer_mark(
    vault: *mut panseal_vault,
    id: *const c_char,
    id_len: usize,
    deleted: i32,
    out: *mut panseal_customer,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || unsafe {
        giving(vault, (id, id_len), Out::optional(out), |vault, id| match deleted {
            0 | 1 => vault.mark_customer_deleted(id, deleted == 1),
            _ => Err(Code::Argument.into()),
        })
    };
    unsafe { pass::call(err, work) }
}

/// Removes a customer for ever; its instruments stay. PANSEAL_E_TOKEN where there is no such customer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_customer_delete(
    vault: *mut panseal_vault,
    id: *const c_char,
    id_len: usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work =
        || with_vault(vault, |vault| vault.delete_customer(pass::utf8(unsafe { required(id, id_len) }?)?));
    unsafe { pass::call(err, work) }
}

/// A page of the merchant's customers in the order of their ids, those behind `after` (absent: from the first), also
/// those that are marked as deleted; one whose row does not open is given as damaged. As panseal_vault_list: up to cap, at most PANSEAL_LIST_MAX; *count 0 is the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_customer_list(
    vault: *mut panseal_vault,
    after: *const c_char,
    after_len: usize,
    page: *mut panseal_customer,
    cap: usize,
    count: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let after = pass::utf8(unsafe { pass::bytes(after, after_len) }?)?;
            let page = unsafe { Page::new(page, cap, count) }?;
            let limit = page.limit(PANSEAL_LIST_MAX as usize)?;
            page.write(&vault.customers(after, limit)?, describe);
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Runs a verb that takes an id and gives a customer.
///
/// # Safety
/// `id_len` readable bytes at `id`.
unsafe fn giving(
    vault: *mut panseal_vault,
    (id, id_len): (*const c_char, usize),
    out: Result<Option<Out<panseal_customer>>>,
    verb: impl FnOnce(&Vault, &str) -> Result<Customer>,
) -> Result<()> {
    with_vault(vault, |vault| {
        let id = pass::utf8(unsafe { required(id, id_len) }?)?;
        let out = out?;
        let customer = verb(vault, id)?;
        if let Some(out) = out {
            out.write(&describe(&customer));
        }
        Ok(())
    })
}

fn there(customer: Option<Customer>) -> Result<Customer> {
    customer.ok_or_else(|| Code::Token.into())
}

fn describe(from: &Customer) -> panseal_customer {
    panseal_customer {
        struct_size: 0,
        data_len: from.data.len() as u32,
        created_at: from.created_at,
        updated_at: from.updated_at,
        deleted_at: from.deleted_at,
        id: pass::field(from.id.as_bytes()),
        reference: pass::field(from.reference.as_bytes()),
        damaged: from.damaged.into(),
        reserved: 0,
    }
}
