//! What a failure of PostgreSQL means: its code here, and what may be done about it.

use crate::error::{Code, Error};
use postgres::error::SqlState;
use std::io;

/// What may be done about a failure. Whichever it is, the transaction that met it is lost, unless it was `commit`
/// itself: see [`unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Run the whole transaction again, on the same session.
    Again,
    /// The session is gone, or on a server that does not write: run the whole transaction again on a fresh one.
    Reconnect,
    /// Nothing.
    Nothing,
}

/// No server has said it, so the client says it in the same words.
const UNABLE_TO_CONNECT: &str = "08001";
const CONNECTION_FAILURE: &str = "08006";

/// What may be done about it.
pub fn remedy(error: &postgres::Error) -> Remedy {
    let Some(state) = error.code() else {
        // A failure of the client's own kind, such as a row of an unexpected type, is neither closed nor of the net.
        let transport = error.is_closed() || io_error(error).is_some();
        return if transport { Remedy::Reconnect } else { Remedy::Nothing };
    };
    match state.code() {
        // In conflict, or the server has no room for another lock: under SERIALIZABLE it keeps all that was read beside
        // a transaction that is open still.
        "40001" | "40P01" | "53200" => Remedy::Again,
        // Ended by the administrator, by a crash, by a time limit on idle sessions; starting or stopping; turned into
        // a standby; out of connections.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "25006" | "53300" => Remedy::Reconnect,
        code if code.starts_with("08") => Remedy::Reconnect,
        _ => Remedy::Nothing,
    }
}

/// Whether a failed `commit` may have committed nevertheless. A server that answers with any other error has rolled
/// back; but one that is stopped while it waits for its standby has committed already, and says 57P01 or nothing.
pub fn unknown(commit: &postgres::Error) -> bool {
    let state = commit.code().map(SqlState::code);
    state == Some("40003") || state == Some("57014") || remedy(commit) == Remedy::Reconnect
}

/// Whether a key is taken: of an insert that another transaction was faster with.
pub fn taken(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// The failure in the library's words: `Busy` where trying again later may help and nothing is wrong, else `Store`. Its
/// system code is errno (below 46656) or the SQLSTATE by [`pack`].
pub fn failed(error: postgres::Error) -> Error {
    let Some(state) = error.code() else { return without_state(&error) };
    let code = match state.code() {
        // A lock or a statement took too long; too many connections; still in conflict, or without room, after all
        // attempts.
        "55P03" | "57014" | "53200" | "53300" | "40001" | "40P01" => Code::Busy,
        _ => Code::Store,
    };
    Error::system(code, pack(state.code()))
}

fn without_state(error: &postgres::Error) -> Error {
    let system = match io_error(error) {
        Some(error) => match (error.raw_os_error(), error.kind()) {
            (Some(_), _) => return Error::io(Code::Store, error),
            // So says the client of a server that only reads.
            (None, io::ErrorKind::PermissionDenied) => pack("25006"),
            (None, _) => pack(UNABLE_TO_CONNECT),
        },
        None if error.is_closed() => pack(CONNECTION_FAILURE),
        None => pack(UNABLE_TO_CONNECT),
    };
    Error::system(Code::Store, system)
}

fn io_error(error: &postgres::Error) -> Option<&io::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// A SQLSTATE as a number: five digits to base 36, the letters after the ten figures, as in `int("40P01", 36)`. The
/// least that means a failure is 01000, 46656: no errno is that high.
pub fn pack(state: &str) -> i32 {
    let digit = |byte| char::from(byte).to_digit(36).and_then(|digit| i32::try_from(digit).ok()).unwrap_or(0);
    state.bytes().take(5).fold(0, |number, byte| number * 36 + digit(byte))
}

#[cfg(test)]
mod tests {
    use super::pack;

    #[test]
    fn a_sqlstate_fits_a_number_and_is_never_taken_for_an_errno() {
        assert_eq!((pack("00000"), pack("01000"), pack("ZZZZZ")), (0, 46_656, 60_466_175));
        assert_eq!((pack("40001"), pack("40P01"), pack("57P01")), (6_718_465, 6_750_865, 8_757_073));
    }
}
