//! The cost of card checks, side by side with the crates that a program would take instead.
//!
//! ```sh
//! cargo run --release --manifest-path benches/Cargo.toml --bin cards
//! ```
//!
//! The candidates of a table take turns, and each ratio is the median of those of the turns, so that other work on the
//! machine hits both sides of it: trust the ratios, not the nanoseconds.

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Duration;

use panseal::card::{CardInput, Column, Outputs, Pan, Separators, check, check_many, check_number};

/// So many different numbers that a processor cannot learn them by heart.
const NUMBERS: usize = 1 << 16;

fn main() {
    let numbers = Numbers::new(false);
    let spaced = Numbers::new(true);
    single(&numbers, &spaced);
    variable(&numbers, &spaced);
    fixed("fixed 16 bytes, 1 MB", NUMBERS, false);
    fixed("fixed 16 bytes, 1 MB, no byte but digits", NUMBERS, true);
    fixed("fixed 16 bytes, 128 MB", NUMBERS << 7, false);
}

fn single(numbers: &Numbers, spaced: &Numbers) {
    let (numbers, spaced) = (numbers.texts(), spaced.texts());
    let mut table = Table::new("one number, 13 to 19 digits", NUMBERS);
    table.add("panseal check_number", || {
        numbers
            .iter()
            .filter(|text| black_box(check_number(text.as_bytes(), Separators::Dropped)).is_ok())
            .count()
    });
    table.add("the same, spaces in the number", || {
        spaced
            .iter()
            .filter(|text| black_box(check_number(text.as_bytes(), Separators::Dropped)).is_ok())
            .count()
    });
    table.add("panseal Pan::parse", || {
        numbers
            .iter()
            .filter(|text| black_box(Pan::parse(text.as_bytes(), Separators::Dropped)).is_ok())
            .count()
    });
    table.add("panseal check, into a Card", || {
        numbers.iter().filter(|text| black_box(check(&CardInput::new(text.as_bytes(), 0))).is_ok()).count()
    });
    table.add("creditcard 0.1.0", || {
        numbers.iter().filter(|text| black_box(text.parse::<creditcard::CreditCard>()).is_ok()).count()
    });
    table.add("card-validate 2.4.0", || {
        numbers.iter().filter(|text| card_validate::Validate::from(text).is_ok()).count()
    });
    table.add("luhn3 1.1.0 (Luhn alone)", || {
        numbers.iter().filter(|text| luhn3::decimal::valid(text.as_bytes())).count()
    });
    table.print();
}

fn variable(numbers: &Numbers, spaced: &Numbers) {
    let texts = numbers.texts();
    let mut status = vec![0; NUMBERS];
    let mut network = vec![0; NUMBERS];
    let mut length = vec![0; NUMBERS];
    let mut last4 = vec![0; 4 * NUMBERS];
    let mut other_status = status.clone();
    let mut spaced_status = status.clone();
    let mut table = Table::new("column with offsets, 13 to 19 digits", NUMBERS);
    table.add("panseal check_many", || {
        let column = Column::Offsets { data: numbers.text.as_bytes(), offsets: &numbers.offsets };
        let mut outputs = Outputs { status: &mut status, network: None, length: None, last4: None };
        check_many(&column, &mut outputs).expect("a column");
        status.iter().filter(|status| **status == 0).count()
    });
    table.add("the same, all outputs", || {
        let column = Column::Offsets { data: numbers.text.as_bytes(), offsets: &numbers.offsets };
        let mut outputs = Outputs {
            status: &mut other_status,
            network: Some(&mut network),
            length: Some(&mut length),
            last4: Some(&mut last4),
        };
        check_many(&column, &mut outputs).expect("a column");
        other_status.iter().filter(|status| **status == 0).count()
    });
    table.add("panseal check_many, spaces in the numbers", || {
        let column = Column::Offsets { data: spaced.text.as_bytes(), offsets: &spaced.offsets };
        let mut outputs = Outputs { status: &mut spaced_status, network: None, length: None, last4: None };
        check_many(&column, &mut outputs).expect("a column");
        spaced_status.iter().filter(|status| **status == 0).count()
    });
    table.add("creditcard 0.1.0, one by one", || {
        texts.iter().filter(|text| black_box(text.parse::<creditcard::CreditCard>()).is_ok()).count()
    });
    table.print();
}

fn fixed(title: &str, count: usize, clean: bool) {
    let mut random = Random(7);
    let mut data = Vec::with_capacity(16 * count);
    while data.len() < 16 * count {
        let digits = random.number(Some(16));
        if !clean || digits.iter().all(u8::is_ascii_digit) {
            data.extend(digits);
        }
    }
    let mut status = vec![0; count];
    let mut network = vec![0; count];
    let mut length = vec![0; count];
    let mut last4 = vec![0; 4 * count];
    let mut other_status = status.clone();
    let mut table = Table::new(title, count);
    table.add("reading the memory", || {
        let words = data.chunks_exact(128);
        words.map(|words| sum_of(words)).fold(0, usize::wrapping_add)
    });
    table.add("panseal check_many", || {
        let column = Column::Fixed { data: &data, width: 16, count };
        let mut outputs = Outputs { status: &mut status, network: None, length: None, last4: None };
        check_many(&column, &mut outputs).expect("a column");
        usize::from(status[count - 1] == 0)
    });
    table.add("the same, all outputs", || {
        let column = Column::Fixed { data: &data, width: 16, count };
        let mut outputs = Outputs {
            status: &mut other_status,
            network: Some(&mut network),
            length: Some(&mut length),
            last4: Some(&mut last4),
        };
        check_many(&column, &mut outputs).expect("a column");
        usize::from(other_status[count - 1] == 0)
    });
    table.add("creditcard 0.1.0, one by one", || {
        let texts = data.chunks_exact(16).map(|text| std::str::from_utf8(text).unwrap_or_default());
        texts.filter(|text| black_box(text.parse::<creditcard::CreditCard>()).is_ok()).count()
    });
    table.print();
}

/// Eight sums side by side, for the compiler to keep in registers.
fn sum_of(bytes: &[u8]) -> usize {
    let mut sums = [0usize; 8];
    for words in bytes.chunks_exact(64) {
        for (sum, word) in sums.iter_mut().zip(words.chunks_exact(8)) {
            *sum ^= usize::from_le_bytes(word.try_into().expect("eight bytes"));
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

// ---- The numbers. ----

struct Numbers {
    text: String,
    offsets: Vec<i32>,
}

impl Numbers {
    /// Distinct numbers in no order: three quarters of 16 digits, half of them good, one of twenty with a wrong byte.
    fn new(spaced: bool) -> Numbers {
        let mut random = Random(1);
        let mut known = HashSet::new();
        let mut numbers = Numbers { text: String::new(), offsets: vec![0] };
        while known.len() < NUMBERS {
            let digits = random.number(None);
            if known.insert(digits.clone()) {
                let digits = String::from_utf8(digits).expect("ASCII");
                for (place, digit) in digits.chars().enumerate() {
                    if spaced && place > 0 && place % 4 == 0 {
                        numbers.text.push(' ');
                    }
                    numbers.text.push(digit);
                }
                numbers.offsets.push(numbers.text.len() as i32);
            }
        }
        numbers
    }

    /// The numbers one by one, as a program has them.
    fn texts(&self) -> Vec<&str> {
        self.offsets.windows(2).map(|ends| &self.text[ends[0] as usize..ends[1] as usize]).collect()
    }
}

/// SplitMix64, with a fixed seed: every run has the same numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn number(&mut self, length: Option<usize>) -> Vec<u8> {
        const SIXTEEN: [&str; 16] = [
            "4", "4", "4", "4", "4", "51", "52", "53", "54", "55", "2221", "2720", "6011", "65", "3530", "62",
        ];
        const OTHERS: [(&str, usize); 12] = [
            ("34", 15),
            ("37", 15),
            ("37", 15),
            ("34", 15),
            ("36", 14),
            ("3095", 14),
            ("4", 13),
            ("4", 19),
            ("6759", 18),
            ("5018", 17),
            ("62", 19),
            ("2200", 18),
        ];
        let (prefix, length) = match length {
            None if self.below(100) < 24 => OTHERS[self.below(OTHERS.len())],
            length => (SIXTEEN[self.below(SIXTEEN.len())], length.unwrap_or(16)),
        };
        let mut digits = prefix.as_bytes().to_vec();
        while digits.len() < length {
            digits.push(b'0' + self.below(10) as u8);
        }
        let last = length - 1;
        digits[last] = b'0';
        let right = (10 - panseal::card::residue(&digits).expect("digits")) % 10;
        let chance = self.below(100);
        let step = if chance < 50 { 0 } else { 1 + self.below(9) as u8 };
        digits[last] = b'0' + (right + step) % 10;
        if chance >= 95 {
            digits[self.below(length)] = b'x';
        }
        digits
    }
}

// ---- The measuring. ----

/// Candidates that do the same work, measured in turns.
struct Table<'a> {
    title: &'a str,
    /// How many numbers a pass goes through.
    items: usize,
    rows: Vec<(&'static str, Box<dyn FnMut() -> usize + 'a>)>,
}

impl<'a> Table<'a> {
    const WARM_UP: Duration = Duration::from_millis(50);
    const SAMPLE: Duration = Duration::from_millis(4);
    const SAMPLES: usize = 51;

    fn new(title: &'a str, items: usize) -> Table<'a> {
        Table { title, items, rows: Vec::new() }
    }

    /// A candidate. Each call goes through all numbers once; what it gives is used.
    fn add(&mut self, name: &'static str, pass: impl FnMut() -> usize + 'a) {
        self.rows.push((name, Box::new(pass)));
    }

    /// Measures and prints: the time for a number, and how often that of the first one fits in.
    fn print(mut self) {
        let mut samples = vec![Vec::new(); self.rows.len()];
        for (_, pass) in &mut self.rows {
            time(Table::WARM_UP, pass);
        }
        for _ in 0..Table::SAMPLES {
            for ((_, pass), samples) in self.rows.iter_mut().zip(&mut samples) {
                samples.push(time(Table::SAMPLE, pass));
            }
        }
        println!("\n{:<44}{:>10}{:>12}", self.title, "ns", "of first");
        let first = samples[0].clone();
        for ((name, _), samples) in self.rows.iter().zip(samples) {
            let ratios = samples.iter().zip(&first).map(|(sample, first)| sample / first).collect();
            println!("  {name:<42}{:>10.2}{:>12.2}", median(samples) / self.items as f64, median(ratios));
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Nanoseconds of one pass, the mean of as many as fill the time.
fn time(atleast: Duration, pass: &mut impl FnMut() -> usize) -> f64 {
    let start = own_time();
    let mut passes = 0u32;
    loop {
        black_box(pass());
        passes += 1;
        let took = own_time() - start;
        if took >= atleast {
            return took.as_nanos() as f64 / f64::from(passes);
        }
    }
}

/// The time that this thread has had of a processor: what others do meanwhile is not in it.
fn own_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written to a place of its own.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "this system tells no time of threads");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
