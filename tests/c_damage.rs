//! Damaged rows through the functions of the C ABI: whichever verb passes one over names it.
#![cfg(feature = "capi")]

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::capi::customer::*;
use panseal::capi::damage::*;
use panseal::capi::instrument::*;
use panseal::capi::library::*;
use panseal::capi::tokenizer::*;
use panseal::capi::vault::*;
use panseal::capi::vault_keys::*;
use panseal::vault::TokenizeOptions;
use promised::{Place, card, number};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};

/// PANSEAL_INIT.
fn init<T>() -> T {
    let mut record = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: T is a struct of the C ABI: it begins with its size, and zeros are a value of it.
    unsafe {
        panseal_struct_init(record.as_mut_ptr().cast::<c_void>(), size_of::<T>());
        record.assume_init()
    }
}

type Named = Vec<(String, String, String)>;

unsafe extern "C" fn note(to: *mut c_void, kind: *const c_char, merchant: *const c_char, id: *const c_char) {
    // SAFETY: texts that end with a NUL, and the userdata that was given.
    unsafe {
        let [kind, merchant, id] =
            [kind, merchant, id].map(|text| CStr::from_ptr(text).to_str().unwrap().into());
        (*to.cast::<Named>()).push((kind, merchant, id));
    }
}

fn flip_a_bit(place: &Place, table: &str, column: &str, of: &str) {
    let sql = place.sql();
    let select = format!("select {column} from {table} where {of} limit 1");
    let was: Vec<u8> = sql.query_row(&select, [], |row| row.get(0)).unwrap();
    let mut flipped = was.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let update = format!("update {table} set {column} = ?1 where {column} = ?2");
    assert_eq!(sql.execute(&update, [flipped, was]).unwrap(), 1);
}

/// A vault whose first instrument and customer are damaged and, of another card, the card; with their names.
fn damaged() -> (Place, *mut panseal_vault, Named) {
    let place = Place::sqlite();
    let vault = place.open();
    let keep_until = TokenizeOptions { keep_until: 1, ..TokenizeOptions::default() };
    let tokens: Vec<String> = (0..3)
        .map(|row| vault.tokenize(&card(&number(row)), &keep_until).unwrap().token.to_string())
        .collect();
    for id in ["c-1", "c-2"] {
        vault.create_customer(id, "", "{}").unwrap();
    }
    let token = &tokens[0];
    flip_a_bit(&place, "instrument", "sealed", &format!("token = {}", promised::packed(token)));
    flip_a_bit(&place, "customer", "sealed", "id = 'c-1'");
    let of_last =
        format!("id = (select card from instrument where token = {})", promised::packed(&tokens[2]));
    flip_a_bit(&place, "card", "pan", &of_last);
    let sql = format!("select lower(hex(id)) from card where {of_last}");
    let id: String = place.sql().query_row(&sql, [], |row| row.get(0)).unwrap();
    let named = [("card", &id), ("instrument", token), ("customer", &"c-1".into())];
    let named = named.map(|(kind, id)| (kind.into(), String::new(), id.clone())).to_vec();
    let [url, root] = [&place.url, &place.root].map(|text| CString::new(text.as_str()).unwrap());
    let how = panseal_open_options { url: url.as_ptr(), root: root.as_ptr(), ..init() };
    let mut ticket = null_mut();
    // SAFETY: a struct whose pointers are good, a place for a handle.
    assert_eq!(unsafe { panseal_vault_open(&how, &mut ticket, null_mut()) }, PANSEAL_OK);
    (place, ticket, named)
}

#[test]
fn rewrap_destroy_and_change_index_name_what_they_pass_over() {
    let (_place, vault, named) = damaged();
    let mut told = Named::new();
    let userdata = (&raw mut told).cast::<c_void>();
    let (mut sealed, mut count, mut generation) = (0, 0, 0);
    // SAFETY: a ticket, and places for what is given.
    unsafe {
        assert_eq!(panseal_vault_rotate(vault, null_mut(), null_mut()), PANSEAL_OK);
        let outcome =
            panseal_vault_rewrap(vault, None, Some(note), userdata, &mut sealed, &mut count, null_mut());
        assert_eq!((outcome, sealed, count), (PANSEAL_OK, 5, 3));
        assert_eq!(std::mem::take(&mut told), named);
        let outcome =
            panseal_vault_destroy_even_if_damaged(vault, 1, Some(note), userdata, &mut count, null_mut());
        assert_eq!((outcome, count), (PANSEAL_OK, 3));
        assert_eq!(std::mem::take(&mut told), named);
        let outcome = panseal_vault_change_index(
            vault,
            None,
            Some(note),
            userdata,
            &mut generation,
            &mut count,
            null_mut(),
        );
        assert_eq!((outcome, generation, count), (PANSEAL_OK, 2, 1));
        assert_eq!(std::mem::take(&mut told), named[..1]);
        panseal_vault_close(vault);
    }
}

#[test]
fn purge_names_what_it_leaves_and_lists_give_it_as_damaged() {
    let (_place, vault, named) = damaged();
    let mut told = Named::new();
    let mut purged: panseal_purged = init();
    let mut customers: [panseal_customer; 2] = [init(), init()];
    let mut page: [panseal_instrument; 2] = [init(), init()];
    let mut count = 0;
    let first = number(0);
    // SAFETY: a ticket, arrays that were initialised, and places for what is given.
    unsafe {
        let number = first.as_ptr().cast();
        let outcome =
            panseal_vault_find(vault, number, first.len(), page.as_mut_ptr(), 2, &mut count, null_mut());
        assert_eq!((outcome, count, page[0].damaged), (PANSEAL_OK, 1, 1));
        let rows = customers.as_mut_ptr();
        let outcome = panseal_vault_customer_list(vault, null(), 0, rows, 2, &mut count, null_mut());
        assert_eq!((outcome, count), (PANSEAL_OK, 2));
        assert_eq!(customers.map(|customer| customer.damaged), [1, 0]);
        let userdata = (&raw mut told).cast();
        let outcome = panseal_vault_purge_expired(vault, Some(note), userdata, &mut purged, null_mut());
        assert_eq!((outcome, purged.instruments, purged.damaged), (PANSEAL_OK, 1, 2));
        panseal_vault_close(vault);
    }
    assert!(told.contains(&named[1]) && told.iter().all(|(kind, ..)| kind == "instrument"), "{told:?}");
}
