//! A stored card as it may be shown, and what else is known of it.

use super::seal::{self, Contents};
use super::store::{CardRow, InstrumentRow, in_seconds};
use crate::card::{self, Expiry, Mask, Network, Pan};
use crate::error::{Code, Error, Result};
use crate::scheme::Token;

/// A stored card. Holds nothing that may not be displayed and logged.
#[derive(Clone, Debug)]
pub struct Instrument {
    /// What stands for the card number.
    pub token: Token,
    /// The customer, or empty.
    pub customer: Box<str>,
    /// The card's network.
    pub network: Network,
    /// The product within the network, such as Visa Electron.
    pub product: Option<Network>,
    /// The number as it may be displayed: `424242******4242`.
    pub masked: Mask,
    /// The last four digits.
    pub last4: [u8; 4],
    /// Until when the card is valid, where that was given.
    pub expiry: Option<Expiry>,
    /// Whether the token may be used.
    pub active: bool,
    /// Whether the token existed before the call that gave this.
    pub reused: bool,
    /// The epoch under which the number is sealed.
    pub epoch: u32,
    /// Seconds since 1970 UTC.
    pub created_at: i64,
    /// Seconds since 1970 UTC, or 0: for ever.
    pub keep_until: i64,
    /// Its rows do not open: but for the token nothing is known of it, and all of the above is empty.
    pub damaged: bool,
    /// Of two instruments the one that was made later has the greater one, also within a second.
    pub(crate) made: i64,
}

/// What may be seen of a card number.
#[derive(Clone, Copy)]
pub(super) struct Face {
    product: Option<Network>,
    masked: Mask,
    last4: [u8; 4],
}

impl Face {
    pub(super) fn of(pan: &Pan) -> Face {
        Face { product: card::detect(pan.digits()).product, masked: pan.mask(), last4: pan.last4() }
    }
}

impl Instrument {
    /// Puts together what two opened rows and their number say.
    pub(super) fn of(row: &InstrumentRow, card: &CardRow, face: Face) -> Result<Instrument> {
        let tampered = || Error::from(Code::Tampered);
        Ok(Instrument {
            token: row.token,
            customer: row.customer.as_str().into(),
            network: Network::from_name(&card.network).ok_or_else(tampered)?,
            product: face.product,
            masked: face.masked,
            last4: face.last4,
            expiry: match row.expiry {
                0 => None,
                date => Some(Expiry::new(date % 100, date / 100).map_err(|_| tampered())?),
            },
            active: row.active,
            reused: false,
            epoch: seal::epoch_of(&card.sealed)?,
            created_at: in_seconds(row.created_at),
            keep_until: row.keep_until,
            damaged: false,
            made: row.created_at,
        })
    }

    /// What is left of one whose rows do not open.
    pub(super) fn of_damaged(token: Token) -> Instrument {
        Instrument {
            token,
            customer: "".into(),
            network: Network::UNKNOWN,
            product: None,
            masked: Mask::default(),
            last4: [0; 4],
            expiry: None,
            active: false,
            reused: false,
            epoch: 0,
            created_at: 0,
            keep_until: 0,
            damaged: true,
            made: 0,
        }
    }
}

/// What is sealed beside a token: about a person, so not for logs.
pub struct Details(Contents);

impl Details {
    pub(super) fn of(contents: Contents) -> Details {
        Details(contents)
    }

    pub(super) fn into_contents(self) -> Contents {
        self.0
    }

    /// The cardholder's name, or empty.
    pub fn name(&self) -> &str {
        std::str::from_utf8(self.0.name.as_bytes()).unwrap_or_default()
    }

    /// The metadata as it was given, a JSON object, or empty.
    pub fn metadata(&self) -> &str {
        &self.0.metadata
    }

    /// The extra bytes as they were given, or empty.
    pub fn extra(&self) -> &[u8] {
        &self.0.extra
    }
}
