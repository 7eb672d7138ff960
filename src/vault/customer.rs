//! Customers: who a merchant's cards belong to. A vault needs none of them, a dialect does.

use super::seal::{NOTE_MAX, Sealer};
use super::store::{CustomerRow, Found, again};
use super::{LIST_MAX, Vault, check_id, check_kept, metadata::check_note};
use crate::error::{Code, Result};
use crate::keys::Keyring;
use crate::secret::reserve;
use zeroize::Zeroizing;

/// A customer of one merchant. What is known of it is about a person: not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    /// Its id, up to 64 bytes.
    pub id: Box<str>,
    /// Another name that leads to it, up to 64 bytes, or empty; no two customers of a merchant have the same.
    pub reference: Box<str>,
    /// What is known of it: a text of up to 4096 bytes, sealed.
    pub data: Box<str>,
    /// Seconds since 1970 UTC.
    pub created_at: i64,
    /// Seconds since 1970 UTC.
    pub updated_at: i64,
    /// When it was marked as deleted, in seconds since 1970 UTC, or 0.
    pub deleted_at: i64,
    /// Its row does not open: but for the id nothing is known of it, and all of the above is empty.
    pub damaged: bool,
}

impl Vault {
    /// A new customer. `Argument` for an id or reference that is not of its form, `Conflict` where the merchant has one
    /// of that id or reference, `Limit` for data longer than 4096 bytes, `Card` where a card number is in one of them.
    pub fn create_customer(&self, id: &str, reference: &str, data: &str) -> Result<Customer> {
        check_kept(id)?;
        check_kept(reference)?;
        check_data(data)?;
        self.ask_about(id)?;
        self.work(|keyring, now| {
            let mut row = CustomerRow {
                id: id.into(),
                reference: reference.into(),
                created_at: now,
                updated_at: now,
                deleted_at: 0,
                sealed: Vec::new(),
            };
            let sealer = Sealer::new(keyring, &self.merchant);
            sealer.seal_customer(keyring.active_epoch()?, &mut row, data)?;
            self.write(keyring, &self.line(now, "customer", "")?, &mut |rows| {
                let fresh = rows.insert_customer(&self.merchant, &row)?;
                if fresh { Ok(()) } else { Err(Code::Conflict.into()) }
            })?;
            self.customer_of(keyring, &row)
        })
    }

    /// A customer by its id, one that is marked as deleted too; `None` where there is none.
    pub fn customer(&self, id: &str) -> Result<Option<Customer>> {
        self.ask_about(id)?;
        self.work(|keyring, _| {
            let mut found = None;
            self.shared.store.read(&mut |rows| {
                found = rows.customer(&self.merchant, id)?;
                Ok(())
            })?;
            found.map(|row| self.customer_of(keyring, &row)).transpose()
        })
    }

    /// A customer by its reference; `None` where there is none.
    pub fn customer_by_reference(&self, reference: &str) -> Result<Option<Customer>> {
        self.ask_about(reference)?;
        self.work(|keyring, _| {
            let mut found = None;
            self.shared.store.read(&mut |rows| {
                found = rows.customer_by_reference(&self.merchant, reference)?;
                Ok(())
            })?;
            found.map(|row| self.customer_of(keyring, &row)).transpose()
        })
    }

    /// Changes what is known of a customer: `change` makes the new data of the old, and may be asked more than once.
    /// `Token` where there is none.
    pub fn update_customer(
        &self,
        id: &str,
        mut change: impl FnMut(&str) -> Result<String>,
    ) -> Result<Customer> {
        self.alter_customer(id, |keyring, row, now| {
            let sealer = Sealer::new(keyring, &self.merchant);
            let data = change(&sealer.open_customer(row)?)?;
            check_data(&data)?;
            row.updated_at = now;
            Ok(Zeroizing::new(data.into()))
        })
    }

    /// Marks a customer as deleted, or takes the mark away; its cards stay. `Token` where there is none.
    pub fn mark_customer_deleted(&self, id: &str, deleted: bool) -> Result<Customer> {
        self.alter_customer(id, |keyring, row, now| {
            let data = Sealer::new(keyring, &self.merchant).open_customer(row)?;
            (row.updated_at, row.deleted_at) = (now, if deleted { now } else { 0 });
            Ok(data)
        })
    }

    /// Removes a customer for ever; its cards stay. `Token` where there is none.
    pub fn delete_customer(&self, id: &str) -> Result<()> {
        self.ask_about(id)?;
        self.work(|keyring, now| {
            self.write(keyring, &self.line(now, "customer", "")?, &mut |rows| {
                if !rows.lock_customer(&self.merchant, id)? {
                    return Err(Code::Token.into());
                }
                rows.delete_customer(&self.merchant, id)
            })
        })
    }

    /// The merchant's customers in the order of their ids, those behind `after`; up to `limit`, at most 1000. One whose
    /// row does not open is [damaged](Customer::damaged); one whose very id cannot be read is not given, but named by
    /// [`Vault::check_vault`].
    pub fn customers(&self, after: &str, limit: usize) -> Result<Vec<Customer>> {
        if limit > LIST_MAX {
            return Err(Code::Limit.into());
        }
        check_id(after)?;
        self.ask("customer", limit)?;
        self.work(|keyring, _| {
            let mut customers = reserve::room(limit)?;
            let mut behind = after.as_bytes().to_vec();
            while customers.len() < limit {
                let left = limit - customers.len();
                let mut page = Vec::new();
                self.shared.store.read(&mut |rows| {
                    page = rows.customers(&self.merchant, &behind, left)?;
                    Ok(())
                })?;
                let Some(last) = page.last() else { break };
                behind.clone_from(&last.key);
                for Found { row, .. } in page.iter().filter(|found| has_id(found)) {
                    customers.push(self.customer_if_whole(keyring, row)?);
                    reserve::check()?;
                }
                if page.len() < left {
                    break;
                }
            }
            Ok(customers)
        })
    }

    fn customer_if_whole(&self, keyring: &Keyring, row: &CustomerRow) -> Result<Customer> {
        let opened = self.customer_of(keyring, row);
        let whole = self.unless_damaged(keyring, &row.sealed, opened)?;
        Ok(whole.unwrap_or_else(|| Customer {
            id: row.id.as_str().into(),
            reference: "".into(),
            data: "".into(),
            created_at: 0,
            updated_at: 0,
            deleted_at: 0,
            damaged: true,
        }))
    }

    /// `alter` changes the row and gives the data that is sealed over it.
    fn alter_customer(
        &self,
        id: &str,
        mut alter: impl FnMut(&Keyring, &mut CustomerRow, i64) -> Result<Zeroizing<Box<str>>>,
    ) -> Result<Customer> {
        self.ask_about(id)?;
        self.work(|keyring, now| {
            let mut altered = None;
            self.write(keyring, &self.line(now, "customer", "")?, &mut |rows| {
                let mut row = rows.customer(&self.merchant, id)?.ok_or(Code::Token)?;
                let data = alter(keyring, &mut row, now)?;
                let was = std::mem::take(&mut row.sealed);
                let sealer = Sealer::new(keyring, &self.merchant);
                sealer.seal_customer(keyring.active_epoch()?, &mut row, &data)?;
                if !rows.update_customer(&self.merchant, &row, &was)? {
                    return Err(again());
                }
                altered = Some(row);
                Ok(())
            })?;
            self.customer_of(keyring, &altered.take().ok_or(Code::Internal)?)
        })
    }

    fn customer_of(&self, keyring: &Keyring, row: &CustomerRow) -> Result<Customer> {
        Ok(Customer {
            id: row.id.as_str().into(),
            reference: row.reference.as_str().into(),
            data: std::mem::take(&mut *Sealer::new(keyring, &self.merchant).open_customer(row)?),
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            damaged: false,
        })
    }

    fn ask_about(&self, id: &str) -> Result<()> {
        check_id(id)?;
        if id.is_empty() {
            return Err(Code::Argument.into());
        }
        self.ask("customer", 1)
    }
}

/// Whether the id is one that a customer can have: behind any other a listing could not go on.
fn has_id(found: &Found<CustomerRow>) -> bool {
    let id = &found.row.id;
    id.as_bytes() == found.key && !id.is_empty() && check_id(id).is_ok()
}

fn check_data(data: &str) -> Result<()> {
    if data.len() > NOTE_MAX {
        return Err(Code::Limit.into());
    }
    check_note(data)
}
