//! What is left of a secret: the forms that it may take, and the search of another process's memory for them.
//!
//! The process under test, the subject, is any program that keeps to four steps:
//! 1. it writes a line `buffer START END` (hexadecimal addresses) to standard output for every buffer of its own that
//!    will hold secrets, then a line `ready`;
//! 2. it reads the secrets from standard input into those buffers, and nowhere else;
//! 3. it calls the library;
//! 4. it stops itself with SIGSTOP.
//!
//! The searcher sees the stop in `/proc`, so nothing runs in the subject after its last call, and no unsafe code is
//! needed here.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A byte string to search for: one secret in one form.
pub struct Needle {
    /// Which secret, in words that may be printed.
    pub secret: String,
    /// In which form.
    pub form: &'static str,
    /// What to look for.
    pub bytes: Vec<u8>,
}

/// The forms of a card number that is given by its digits.
pub fn number_needles(secret: &str, digits: &[u8]) -> Vec<Needle> {
    assert!((12..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit));
    let values: Vec<u8> = digits.iter().map(|digit| digit - b'0').collect();
    let packed =
        |values: &[u8]| values.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<_>>();
    let number = values.iter().fold(0u64, |number, &value| number * 10 + u64::from(value));
    // Numbers in the order of length, then value: how the vault counts them.
    let rank = number + (12..digits.len() as u32).map(|length| 10u64.pow(length)).sum::<u64>();
    let mut needles = text_needles(secret, digits);
    needles.extend(
        [
            ("digit values", values.clone()),
            ("first 12 digit values", values[..12].to_vec()),
            ("last 12 digit values", values[values.len() - 12..].to_vec()),
            ("packed digits", packed(&values)),
            ("packed digits, one nibble on", packed(&values[1..])),
            ("u64, little end first", number.to_le_bytes().to_vec()),
            ("u64, big end first", number.to_be_bytes().to_vec()),
            ("rank, little end first", rank.to_le_bytes().to_vec()),
            ("rank, big end first", rank.to_be_bytes().to_vec()),
        ]
        .map(|(form, bytes)| Needle { secret: secret.to_owned(), form, bytes }),
    );
    needles
}

/// The forms of a text of at least 12 ASCII characters: a name, or a number as it was typed.
pub fn text_needles(secret: &str, text: &[u8]) -> Vec<Needle> {
    assert!(text.len() >= 12 && text.is_ascii());
    let mut forms = vec![
        ("ASCII", text.to_vec()),
        ("first 12 in ASCII", text[..12].to_vec()),
        ("last 12 in ASCII", text[text.len() - 12..].to_vec()),
        ("UTF-16, little end first", text.iter().flat_map(|&byte| [byte, 0]).collect()),
        ("UTF-16, big end first", text.iter().flat_map(|&byte| [0, byte]).collect()),
        ("hexadecimal", text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()),
        ("base64", base64_inside(text, 0)),
        ("base64, one byte on", base64_inside(text, 1)),
        ("base64, two bytes on", base64_inside(text, 2)),
    ];
    if text.iter().any(u8::is_ascii_alphabetic) {
        forms.push(("upper case", text.to_ascii_uppercase()));
        forms.push(("lower case", text.to_ascii_lowercase()));
    }
    forms.into_iter().map(|(form, bytes)| Needle { secret: secret.to_owned(), form, bytes }).collect()
}

/// The forms of a binary key.
pub fn key_needles(secret: &str, key: &[u8]) -> Vec<Needle> {
    let half = key.len() / 2;
    [("first half", &key[..half]), ("second half", &key[half..])]
        .map(|(form, bytes)| Needle { secret: secret.to_owned(), form, bytes: bytes.to_vec() })
        .into()
}

/// The base64 characters that depend on `text` alone, where it begins `shift` bytes into a group of three.
pub fn base64_inside(text: &[u8], shift: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| text[at / 8 - shift] >> (7 - at % 8) & 1;
    let whole = (8 * shift).div_ceil(6)..8 * (shift + text.len()) / 6;
    whole
        .map(|place| (6 * place..6 * place + 6).fold(0, |sextet, at| sextet << 1 | bit(at)))
        .map(|sextet| ALPHABET[usize::from(sextet)])
        .collect()
}

/// All needles at once. The first two bytes pick the candidates; a plain table is quick enough, also unoptimised.
pub struct Search {
    needles: Vec<Needle>,
    begins: Vec<bool>,
    candidates: HashMap<usize, Vec<usize>>,
    longest: usize,
}

impl Search {
    /// Prepares the search. A needle of fewer than six bytes would be found by chance.
    pub fn new(needles: Vec<Needle>) -> Self {
        let mut begins = vec![false; 1 << 16];
        let mut candidates: HashMap<usize, Vec<usize>> = HashMap::new();
        for (index, needle) in needles.iter().enumerate() {
            assert!(needle.bytes.len() >= 6, "{} of {} is too short", needle.form, needle.secret);
            let pair = usize::from(needle.bytes[0]) << 8 | usize::from(needle.bytes[1]);
            begins[pair] = true;
            candidates.entry(pair).or_default().push(index);
        }
        let longest = needles.iter().map(|needle| needle.bytes.len()).max().unwrap_or(0);
        Search { needles, begins, candidates, longest }
    }

    /// What is searched for.
    pub fn needles(&self) -> &[Needle] {
        &self.needles
    }

    /// Calls `found` with every place and the needle that lies there.
    pub fn each(&self, memory: &[u8], mut found: impl FnMut(usize, usize)) {
        const PAGE: usize = 4096;
        const NOTHING: [u8; PAGE] = [0; PAGE];
        let mut at = 0;
        while at + 1 < memory.len() {
            // Most memory is zero. A needle may still begin in the last bytes of such a page.
            if at % PAGE == 0 && at + PAGE <= memory.len() && memory[at..at + PAGE] == NOTHING {
                at += PAGE - self.longest.min(PAGE);
            }
            let end = (at - at % PAGE + PAGE).min(memory.len() - 1);
            let mut first = memory[at] as usize;
            while at < end {
                let second = memory[at + 1] as usize;
                if self.begins[first << 8 | second] {
                    for &index in &self.candidates[&(first << 8 | second)] {
                        if memory[at..].starts_with(&self.needles[index].bytes) {
                            found(at, index);
                        }
                    }
                }
                first = second;
                at += 1;
            }
        }
    }
}

/// A mapping of the subject.
#[derive(Clone, Debug, Default)]
pub struct Region {
    /// Its addresses.
    pub range: Range<u64>,
    /// `[heap]`, `[stack]`, `anonymous`, or a file.
    pub name: String,
    /// Whether the subject may read it.
    pub readable: bool,
}

/// A needle in the subject's memory.
#[derive(Clone)]
pub struct Hit {
    /// The mapping.
    pub region: Region,
    /// Where it begins.
    pub address: u64,
    /// Which one: an index into [`Search::needles`].
    pub needle: usize,
}

/// What a search has seen.
#[derive(Default)]
pub struct Findings {
    /// How much memory was searched.
    pub bytes: u64,
    /// What was found outside the subject's own buffers.
    pub outside: Vec<Hit>,
    /// What was found inside them.
    pub inside: Vec<Hit>,
}

impl Findings {
    /// The hits outside in words, without the secrets.
    pub fn describe(&self, search: &Search) -> String {
        let mut lines = BTreeMap::new();
        for hit in &self.outside {
            let needle = &search.needles[hit.needle];
            let line = format!("{} as {} in {}", needle.secret, needle.form, hit.region.name);
            lines.entry(line).or_insert_with(Vec::new).push(hit.address - hit.region.range.start);
        }
        let mut text = format!("{} hits in {} bytes", self.outside.len(), self.bytes);
        for (line, offsets) in lines {
            let shown: Vec<_> = offsets.iter().take(4).map(|offset| format!("+{offset:#x}")).collect();
            text += &format!("\n    {line}: {} times, at {}", offsets.len(), shown.join(" "));
        }
        text
    }
}

/// A process that has stopped itself. It is ended with the value.
pub struct Subject {
    child: Child,
    buffers: Vec<Range<u64>>,
}

impl Subject {
    /// Starts a subject, hands it `secrets` and waits until it stops. One that ends instead is an error, in its words.
    pub fn stopped(command: &mut Command, secrets: &[u8], limit: Duration) -> Result<Self, String> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut subject = Subject { child, buffers: Vec::new() };
        subject.prepare(secrets).map_err(|why| subject.complain(&why))?;
        let deadline = Instant::now() + limit;
        while subject.state() != Some('T') {
            if subject.child.try_wait().expect("the state of a child").is_some() {
                return Err(subject.complain("it ended"));
            }
            if Instant::now() >= deadline {
                return Err(subject.complain("it did not stop in time"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(subject)
    }

    /// A subject that goes on, to be stopped by whoever searches it.
    pub fn running(child: Child) -> Self {
        Subject { child, buffers: Vec::new() }
    }

    /// Waits for the end of one that was told to die.
    pub fn wait(&mut self) {
        self.child.wait().expect("the end of a child");
    }

    fn prepare(&mut self, secrets: &[u8]) -> Result<(), String> {
        let stdout = self.child.stdout.take().expect("a pipe");
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(|error| error.to_string())?;
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["buffer", start, end] => self.buffers.push(address(start)?..address(end)?),
                ["ready"] => {
                    let mut stdin = self.child.stdin.take().expect("a pipe");
                    return stdin.write_all(secrets).map_err(|error| error.to_string());
                }
                _ => return Err(format!("it said {line:?}")),
            }
        }
        Err("it was never ready".to_owned())
    }

    /// What went wrong, with the subject's own words; the subject is at its end then.
    fn complain(&mut self, what: &str) -> String {
        let _ = self.child.kill();
        let mut words = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut words);
        }
        format!("{what}: {words}")
    }

    /// The letter that the kernel has for the subject's state.
    fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// All mappings.
    pub fn regions(&self) -> Vec<Region> {
        let maps =
            fs::read_to_string(format!("/proc/{}/maps", self.child.id())).expect("the maps of a child");
        regions(&maps)
    }

    /// Searches everything that the subject could read.
    pub fn search(&self, search: &Search) -> Findings {
        const CHUNK: u64 = 4 << 20;
        let memory = File::open(format!("/proc/{}/mem", self.child.id())).expect("the memory of a child");
        let mut findings = Findings::default();
        for region in self.regions().into_iter().filter(|region| region.readable) {
            let mut from = region.range.start;
            while from < region.range.end {
                let to = (from + CHUNK).min(region.range.end);
                // A chunk reaches into the next one, so that nothing hides on the edge; the next one reports it.
                let reach = (to + search.longest as u64).min(region.range.end);
                let mut bytes = vec![0; (reach - from) as usize];
                match memory.read_exact_at(&mut bytes, from) {
                    Ok(()) => findings.bytes += to - from,
                    Err(_) if region.name.starts_with("[v") => break, // the kernel's clock pages
                    Err(error) => panic!("{region:?} cannot be read: {error}"),
                }
                search.each(&bytes, |at, needle| {
                    let start = from + at as u64;
                    if start < to {
                        let end = start + search.needles[needle].bytes.len() as u64;
                        let own = self.buffers.iter().any(|own| own.start <= start && end <= own.end);
                        let hits = if own { &mut findings.inside } else { &mut findings.outside };
                        hits.push(Hit { region: region.clone(), address: start, needle });
                    }
                });
                from = to;
            }
        }
        findings
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The needles that lie in the files of a directory, with the file's name.
pub fn search_files(directory: &Path, search: &Search) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry of a directory");
        let bytes = fs::read(entry.path()).expect("a file");
        search
            .each(&bytes, |_, needle| found.push((entry.file_name().to_string_lossy().into_owned(), needle)));
    }
    found
}

fn address(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|error| format!("{text}: {error}"))
}

/// Reads the kernel's list of mappings.
fn regions(maps: &str) -> Vec<Region> {
    let mut regions = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let head = words.next().unwrap_or_default();
        if let Some((start, end)) = head.split_once('-') {
            let range = address(start).expect("an address")..address(end).expect("an address");
            let readable = words.next().is_some_and(|rights| rights.starts_with('r'));
            let name = words.nth(3).unwrap_or("anonymous").to_owned();
            regions.push(Region { range, name, readable });
        }
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form<'a>(needles: &'a [Needle], form: &str) -> &'a [u8] {
        &needles.iter().find(|needle| needle.form == form).unwrap_or_else(|| panic!("no {form}")).bytes
    }

    #[test]
    fn a_number_has_its_known_forms() {
        let needles = number_needles("n", b"4111111111111111");
        assert_eq!(form(&needles, "ASCII"), b"4111111111111111");
        assert_eq!(form(&needles, "UTF-16, little end first")[..4], *b"4\x001\x00");
        assert_eq!(form(&needles, "UTF-16, big end first")[..4], *b"\x004\x001");
        assert_eq!(form(&needles, "digit values"), [4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(form(&needles, "packed digits"), [0x41, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11]);
        assert_eq!(form(&needles, "packed digits, one nibble on"), [0x11; 7]);
        assert_eq!(form(&needles, "u64, big end first"), 4_111_111_111_111_111u64.to_be_bytes());
        assert_eq!(form(&needles, "u64, little end first"), 4_111_111_111_111_111u64.to_le_bytes());
        assert_eq!(form(&needles, "rank, little end first"), 5_222_111_111_111_111u64.to_le_bytes());
        assert_eq!(form(&needles, "hexadecimal")[..4], *b"3431");
    }

    #[test]
    fn odd_lengths_and_the_longest_number_have_their_forms() {
        let needles = number_needles("n", b"340000000000009");
        assert_eq!(form(&needles, "packed digits"), [0x34, 0, 0, 0, 0, 0, 0]);
        assert_eq!(form(&needles, "packed digits, one nibble on"), [0x40, 0, 0, 0, 0, 0, 0x09]);
        let needles = number_needles("n", b"9999999999999999999");
        assert_eq!(form(&needles, "rank, big end first"), 11_111_110_999_999_999_999u64.to_be_bytes());
    }

    #[test]
    fn base64_is_searched_for_without_its_neighbours() {
        let needles = text_needles("n", b"4111111111111111");
        for (form_name, encoded) in [
            ("base64", "NDExMTExMTExMTExMTExMSI="),
            ("base64, one byte on", "eDQxMTExMTExMTExMTExMTEi"),
            ("base64, two bytes on", "eHg0MTExMTExMTExMTExMTExIg=="),
        ] {
            let inside = std::str::from_utf8(form(&needles, form_name)).unwrap();
            assert!(encoded.contains(inside) && inside.len() >= 20, "{form_name}: {inside}");
        }
    }

    #[test]
    fn a_name_is_searched_for_in_both_cases_and_in_parts() {
        let needles = text_needles("n", b"QXJWVK Zkqjxw");
        assert_eq!(form(&needles, "upper case"), b"QXJWVK ZKQJXW");
        assert_eq!(form(&needles, "lower case"), b"qxjwvk zkqjxw");
        assert_eq!(form(&needles, "last 12 in ASCII"), b"XJWVK Zkqjxw");
    }

    #[test]
    fn needles_are_found_at_the_edges_across_pages_and_overlapping() {
        let needle = |bytes: &[u8]| Needle { secret: "s".to_owned(), form: "f", bytes: bytes.to_vec() };
        let search = Search::new(vec![needle(b"\0\0secret"), needle(b"abcabc"), needle(b"secret")]);
        let mut memory = vec![0; 3 * 4096 + 100];
        let end = memory.len() - 6;
        memory[4096..4102].copy_from_slice(b"secret");
        memory[8189..8198].copy_from_slice(b"abcabcabc");
        memory[end..].copy_from_slice(b"secret");
        let mut found = Vec::new();
        search.each(&memory, |at, index| found.push((at, index)));
        assert_eq!(found, [(4094, 0), (4096, 2), (8189, 1), (8192, 1), (end - 2, 0), (end, 2)]);
        found.clear();
        search.each(b"secret", |at, index| found.push((at, index)));
        assert_eq!(found, [(0, 2)]);
        search.each(b"", |_, _| panic!("nothing is in nothing"));
    }

    #[test]
    fn the_kernels_list_of_mappings_is_understood() {
        let maps = "55d0-55e0 rw-p 00000000 00:00 0                    [heap]\n\
                    7f00-7f10 r--p 00000000 fe:00 12                   /lib/libc.so.6\n\
                    7f10-7f20 ---p 00000000 00:00 0 \n";
        let regions = regions(maps);
        assert_eq!(regions.len(), 3);
        assert!(regions[0].name == "[heap]" && regions[0].readable && regions[0].range == (0x55d0..0x55e0));
        assert_eq!(regions[1].name, "/lib/libc.so.6");
        assert!(regions[2].name == "anonymous" && !regions[2].readable);
    }
}
