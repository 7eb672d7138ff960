//! The card arguments that `check`, `Vault.tokenize` and `Vault.tokenize_many` have in common.

use crate::errors::behind_border;
use crate::input::{CalendarArg, Copied, READ, SecretArg};
use panseal::card::{CardInput, Expiry, Rules, Separators};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// No month and no year: what an expiry becomes that cannot be read.
const UNREADABLE: (i32, i32) = (0, 0);
/// The half of an expiry that was not given.
const ABSENT: i32 = -1;

/// A card as it was passed.
pub struct CardArgs<'a, 'py> {
    pub number: SecretArg<'a, 'py>,
    pub expiry_month: Option<CalendarArg>,
    pub expiry_year: Option<CalendarArg>,
    pub expiry: Option<SecretArg<'a, 'py>>,
    pub cvv: Option<SecretArg<'a, 'py>>,
    pub name: Option<SecretArg<'a, 'py>>,
    pub postal_code: Option<SecretArg<'a, 'py>>,
    pub strict: bool,
    pub need_expiry: bool,
    pub need_cvv: bool,
    pub known_network: bool,
    pub strict_networks: bool,
    pub horizon_years: Option<u16>,
    pub grace_months: u8,
    pub now: Option<i64>,
    pub wipe: bool,
}

/// The card's texts, copied.
#[derive(Default)]
struct Texts {
    number: Copied,
    expiry: Copied,
    cvv: Copied,
    name: Copied,
    postal_code: Copied,
}

impl CardArgs<'_, '_> {
    /// The number, where nothing else is asked for, it lies in memory that nobody can change, and is read whole.
    pub fn number_alone(&self) -> Option<&[u8]> {
        let others = [&self.expiry, &self.cvv, &self.name, &self.postal_code];
        let months = self.expiry_month.is_some() || self.expiry_year.is_some();
        let rules = self.need_expiry || self.need_cvv || self.strict_networks;
        match &self.number {
            SecretArg::Text(text)
                if !months && !rules && !self.wipe && others.iter().all(|other| other.is_none()) =>
            {
                text.to_str().ok().map(str::as_bytes).filter(|text| text.len() <= READ)
            }
            _ => None,
        }
    }

    /// Lends a copy of the card to `work`, behind the border, and then wipes the caller's memory where that was
    /// asked for. `work` may let other threads run: it never reads the caller's memory.
    pub fn lend<R>(&self, py: Python<'_>, work: impl FnOnce(&CardInput<'_>) -> PyResult<R>) -> PyResult<R> {
        refuse_two_expiries(self.expiry.is_some(), self.expiry_month, self.expiry_year)?;
        if !self.wipe {
            return self.lend_copy(py, work);
        }
        self.secrets().try_for_each(SecretArg::refuse_unwipeable)?;
        let outcome = self.lend_copy(py, work);
        self.secrets().try_for_each(|secret| secret.wipe(py))?;
        outcome
    }

    fn lend_copy<R>(&self, py: Python<'_>, work: impl FnOnce(&CardInput<'_>) -> PyResult<R>) -> PyResult<R> {
        behind_border(py, || {
            let mut texts = Texts::default();
            self.copy_to(py, &mut texts)?;
            work(&self.input(&texts))
        })
    }

    fn input<'t>(&self, texts: &'t Texts) -> CardInput<'t> {
        CardInput {
            number: texts.number.as_bytes(),
            expiry: self.expiry(texts),
            cvv: Some(texts.cvv.as_bytes()),
            name: Some(texts.name.as_bytes()),
            postal_code: Some(texts.postal_code.as_bytes()),
            now: self.now.unwrap_or_else(panseal::vault::now),
            rules: self.rules(),
        }
    }

    /// What is wiped: all but the expiry.
    fn secrets(&self) -> impl Iterator<Item = &SecretArg<'_, '_>> {
        std::iter::once(&self.number)
            .chain(self.cvv.iter())
            .chain(self.name.iter())
            .chain(self.postal_code.iter())
    }

    /// Absent texts stay empty.
    fn copy_to(&self, py: Python<'_>, texts: &mut Texts) -> PyResult<()> {
        let copy =
            |from: &Option<SecretArg<'_, '_>>, to| from.as_ref().map_or(Ok(()), |from| from.copy_to(py, to));
        self.number.copy_to(py, &mut texts.number)?;
        copy(&self.expiry, &mut texts.expiry)?;
        copy(&self.cvv, &mut texts.cvv)?;
        copy(&self.name, &mut texts.name)?;
        copy(&self.postal_code, &mut texts.postal_code)
    }

    fn expiry(&self, texts: &Texts) -> Option<(i32, i32)> {
        match (self.expiry_month, self.expiry_year) {
            (None, None) if texts.expiry.is_empty() => None,
            (None, None) => Some(read_expiry(texts.expiry.as_bytes())),
            (month, year) => Some(halves(month, year)),
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            separators: if self.strict { Separators::Refused } else { Separators::Dropped },
            need_expiry: self.need_expiry,
            need_cvv: self.need_cvv,
            known_network: self.known_network,
            strict_networks: self.strict_networks,
            horizon_years: self.horizon_years,
            grace_months: self.grace_months,
            ..Rules::default()
        }
    }
}

/// [`CardArgs::lend`] for many cards at once: each is copied, and wiped where that was asked for.
pub fn lend_all<R>(
    py: Python<'_>,
    cards: &[CardArgs<'_, '_>],
    work: impl FnOnce(&[CardInput<'_>]) -> PyResult<R>,
) -> PyResult<R> {
    let to_wipe = || cards.iter().filter(|card| card.wipe).flat_map(CardArgs::secrets);
    for card in cards {
        refuse_two_expiries(card.expiry.is_some(), card.expiry_month, card.expiry_year)?;
    }
    to_wipe().try_for_each(SecretArg::refuse_unwipeable)?;
    let outcome = behind_border(py, || {
        // Filled in at their places: moving them would leave copies.
        let mut texts: Vec<Texts> = std::iter::repeat_with(Texts::default).take(cards.len()).collect();
        for (card, texts) in cards.iter().zip(&mut texts) {
            card.copy_to(py, texts)?;
        }
        let inputs: Vec<CardInput<'_>> =
            cards.iter().zip(&texts).map(|(card, texts)| card.input(texts)).collect();
        work(&inputs)
    });
    to_wipe().try_for_each(|secret| secret.wipe(py))?;
    outcome
}

/// An expiry in one piece or in two, not in both.
pub fn refuse_two_expiries(
    whole: bool,
    month: Option<CalendarArg>,
    year: Option<CalendarArg>,
) -> PyResult<()> {
    if whole && (month.is_some() || year.is_some()) {
        return Err(PyTypeError::new_err("pass either expiry, or expiry_month and expiry_year"));
    }
    Ok(())
}

/// Month and year as they were passed; no calendar has the one that was not.
pub fn halves(month: Option<CalendarArg>, year: Option<CalendarArg>) -> (i32, i32) {
    let given = |half: Option<CalendarArg>| half.map_or(ABSENT, |half| half.0);
    (given(month), given(year))
}

pub fn read_expiry(text: &[u8]) -> (i32, i32) {
    Expiry::parse(text).map_or(UNREADABLE, |expiry| (i32::from(expiry.month()), i32::from(expiry.year())))
}
