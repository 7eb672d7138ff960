//! The key table in memory.

use super::super::{Fence, KeyRows, again};
use super::rows::MemoryRows;
use crate::error::{Code, Result};
use crate::keys::KeyTable;

impl KeyRows for MemoryRows<'_> {
    fn fence(&self) -> Result<Fence> {
        let tables = self.tables();
        let table = tables.keys.get(&()).ok_or(Code::Tampered)?;
        Ok(Fence { vault: table.id, version: table.version })
    }

    fn raise_fence(&self) -> Result<()> {
        let mut table = self.key_table()?;
        table.version = table.version.checked_add(1).ok_or(Code::Tampered)?;
        self.change()?.keys.put((), table);
        Ok(())
    }

    fn key_table(&self) -> Result<KeyTable> {
        self.tables().keys.get(&()).cloned().ok_or_else(|| Code::Tampered.into())
    }

    fn insert_key_table(&self, table: &KeyTable) -> Result<()> {
        if self.change()?.keys.add((), table.clone()) { Ok(()) } else { Err(again()) }
    }

    fn put_key_table(&self, _: &KeyTable, after: &KeyTable) -> Result<()> {
        if self.fence()?.version != after.version {
            return Err(Code::Tampered.into());
        }
        self.change()?.keys.put((), after.clone());
        Ok(())
    }
}
