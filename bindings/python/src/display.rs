//! What of a card number may be shown and stored: `panseal.mask`, `panseal.group`, `panseal.truncate`.

use crate::check::ascii;
use crate::errors::{behind_border, raise, raise_argument, refuse};
use crate::input::{Copied, PlainArg, SecretArg};
use crate::secret::Secret;
use panseal::card::{self, Pan, Separators, Truncation, View};
use panseal::error::{Code, Param};
use pyo3::prelude::*;

/// A card number as it may be displayed: "424242******4242" (PCI DSS 3.4.1).
///
/// | view  | what is shown                                                                                     |
/// |-------|---------------------------------------------------------------------------------------------------|
/// | "6+4" | the first six digits and the last four; below 15 digits the last four alone                       |
/// | "8+4" | from 16 digits on the first eight and the last four, for those with a business need; below as 6+4 |
/// | "4"   | the last four                                                                                     |
///
/// With `grouped` in the groups in which the network prints its numbers. The number is not checked beyond its form:
/// CardError where it has not 12 to 19 digits.
#[pyfunction]
#[pyo3(signature = (number, *, view=PlainArg("6+4"), grouped=false),
       text_signature = "(number, *, view='6+4', grouped=False)")]
pub fn mask(
    py: Python<'_>,
    number: SecretArg<'_, '_>,
    view: PlainArg<'_>,
    grouped: bool,
) -> PyResult<String> {
    let view = match view.0 {
        "6+4" => View::SixFour,
        "8+4" => View::EightFour,
        "4" => View::LastFour,
        _ => return Err(raise_argument(py, Code::Argument, "view is 6+4, 8+4 or 4")),
    };
    let mask = with_number(py, &number, |pan| {
        Ok(match grouped {
            true => card::mask_grouped(pan, view, card::detect(pan.digits()).network),
            false => card::mask(pan, view),
        })
    });
    Ok(mask?.as_str().to_owned())
}

/// A whole card number in the groups in which its network prints it: "4242 4242 4242 4242", as a Secret.
///
/// CardError where it has not 12 to 19 digits.
#[pyfunction]
pub fn group<'py>(py: Python<'py>, number: SecretArg<'_, '_>) -> PyResult<Bound<'py, Secret>> {
    let out = Bound::new(py, Secret::default())?;
    with_number(py, &number, |pan| {
        out.get().fill(card::group(pan, card::detect(pan.digits()).network).as_bytes());
        Ok(())
    })?;
    Ok(out)
}

/// What may be stored in the clear of a card number: "424242******4242", a "*" for each digit that is removed.
///
/// By default the first six digits and the last four are kept, below 14 digits the last four alone. ArgumentError
/// where the card brands do not let so much stay of a number of its network and length (PCI SSC FAQ 1091); CardError
/// where it has not 12 to 19 digits. Never keep two truncations of one number side by side (FAQ 1117).
#[pyfunction]
#[pyo3(signature = (number, first=None, last=None))]
pub fn truncate(
    py: Python<'_>,
    number: SecretArg<'_, '_>,
    first: Option<u8>,
    last: Option<u8>,
) -> PyResult<String> {
    let mut kept = String::with_capacity(Pan::MAX_LEN);
    with_number(py, &number, |pan| {
        let usual = Truncation::usual(pan.len());
        let keep = Truncation { first: first.unwrap_or(usual.first), last: last.unwrap_or(usual.last) };
        let network = card::detect(pan.digits()).network;
        let left = card::truncate(pan, network, keep).map_err(|code| raise(py, &code.into()))?;
        kept.push_str(ascii(left.first));
        kept.extend(std::iter::repeat_n('*', left.removed));
        kept.push_str(ascii(left.last));
        Ok(())
    })?;
    Ok(kept)
}

/// Lends a number of any network to `work`, behind the border.
fn with_number<R>(
    py: Python<'_>,
    number: &SecretArg<'_, '_>,
    work: impl FnOnce(&Pan) -> PyResult<R>,
) -> PyResult<R> {
    behind_border(py, || {
        let mut text = Copied::new();
        number.copy_to(py, &mut text)?;
        let pan = Pan::parse(text.as_bytes(), Separators::Dropped);
        work(pan.as_ref().map_err(|code| refuse(py, Param::Number, *code))?)
    })
}
