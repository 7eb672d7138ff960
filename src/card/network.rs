//! Card networks: what they are called, and what they ask of a number and of a security code.

use std::fmt;

use super::lengths::Lengths;
use super::tables::{ROWS, Row};

/// A card network, or the brand of a product on one (Visa Electron on Visa).
///
/// A network is its id in one byte. Ids are kept in stored records, so they never change: `networks.json`
/// only grows at its end.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(pub(super) u8);

/// What the Luhn check means for the numbers of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LuhnRule {
    /// A number that fails is refused.
    Required,
    /// Most numbers pass, but not all: failing proves nothing.
    Advisory,
    /// Some numbers have a check digit of another kind: failing proves nothing.
    Alternate,
    /// The numbers have no check digit, or the network is not told by its numbers.
    None,
}

impl Network {
    /// No network of the table. Its rules are those for a number of which nothing is known.
    pub const UNKNOWN: Network = Network(0);

    /// Every network in the order of the ids, [`Network::UNKNOWN`] first.
    pub fn all() -> impl Iterator<Item = Network> {
        (0u8..).zip(&ROWS).map(|(id, _)| Network(id))
    }

    /// The network of an id.
    pub fn from_id(id: u8) -> Option<Network> {
        (usize::from(id) < ROWS.len()).then_some(Network(id))
    }

    /// The network of a [name](Network::name), written exactly so.
    pub fn from_name(name: &str) -> Option<Network> {
        Network::all().find(|network| network.name() == name)
    }

    /// The id: 0 for [`Network::UNKNOWN`], else 1 + the place in `networks.json`, UNKNOWN not counted.
    pub const fn id(self) -> u8 {
        self.0
    }

    /// The name for programs: `VISA`, `CUP`, `CARTES_BANCAIRES`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The name for people: `Visa`, `UnionPay`, `Cartes Bancaires (CB)`.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// What the Luhn check means for its numbers.
    pub fn luhn(self) -> LuhnRule {
        self.row().luhn
    }

    /// What the network calls its security code (`CVV2`, `CVC2`), if it is known to have one.
    pub fn code_name(self) -> Option<&'static str> {
        self.row().code_name
    }

    /// How many digits its security code may have; empty if it is not known to have one.
    pub fn code_lengths(self) -> Lengths {
        self.row().code_lengths
    }

    fn row(self) -> &'static Row {
        ROWS.get(usize::from(self.0)).unwrap_or(&ROWS[0])
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of the ids as first published. Lines may be added, never changed.
    const IDS: &str = "UNKNOWN
        VISA VISA_ELECTRON VISA_VPAY MASTERCARD MAESTRO AMEX DINERS DISCOVER JCB CUP ELO ALELO HIPERCARD
        HIPER AURA ELV GIROCARD MIR BORICA PAYPAK RUPAY TROY VERVE DANKORT UATP CHINA_T_UNION UZCARD HUMO
        NAPAS MADA MEEZA JAYWAN KNET DINACARD KOREAN_LOCAL CARNET CABAL NARANJA ARGENCARD CARTES_BANCAIRES
        BANCONTACT EFTPOS_AU INTERAC GPN LANKAPAY PAGOBANCOMAT BANKAXEPT T_MONEY CONECS SWILE VR PLUXEE
        TICKET BAJAJ FORBRUGSFORENINGEN UKRCARD NPS_PRIDNESTROVIE LASER SOLO SWITCH BANKCARD_AU
        DINERS_ENROUTE INTERPAYMENT INSTAPAYMENT";

    #[test]
    fn an_id_once_given_stays() {
        for (id, name) in IDS.split_whitespace().enumerate() {
            assert_eq!(Network::from_id(id as u8).map(Network::name), Some(name));
        }
        assert_eq!(IDS.split_whitespace().count(), Network::all().count());
    }

    #[test]
    fn ids_and_names_lead_back_to_their_network() {
        for network in Network::all() {
            assert_eq!(Network::from_id(network.id()), Some(network));
            assert_eq!(Network::from_name(network.name()), Some(network));
            assert!(!network.title().is_empty());
        }
        assert_eq!(Network::from_id(Network::all().count() as u8), None);
        assert_eq!(Network::from_name("visa"), None);
    }

    #[test]
    fn a_network_knows_its_rules() {
        let amex = Network::from_name("AMEX").unwrap();
        assert!(amex.code_lengths().iter().eq([4]));
        assert_eq!(format!("{amex:?} {amex} {}", amex.title()), "AMEX AMEX American Express");

        let luhn = |name| Network::from_name(name).unwrap().luhn();
        assert_eq!(luhn("VISA"), LuhnRule::Required);
        assert_eq!(luhn("CUP"), LuhnRule::Advisory);
        assert_eq!(luhn("NARANJA"), LuhnRule::Alternate);
        assert_eq!(luhn("ELV"), LuhnRule::None);
        assert_eq!(Network::UNKNOWN.luhn(), LuhnRule::Required);
        assert!(Network::UNKNOWN.code_lengths().iter().eq([3, 4]));
    }
}
