// The Rust library: collections, formatting, environment, time, standard input; and with the
// argument `panic`, a panic; with `exit N`, an exit status.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::io::{self, BufRead, Write};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Leaf,
    Node(Box<Tree>, i64, Box<Tree>),
}

impl Tree {
    fn insert(self, value: i64) -> Tree {
        match self {
            Tree::Leaf => Tree::Node(Box::new(Tree::Leaf), value, Box::new(Tree::Leaf)),
            Tree::Node(left, own, right) if value < own => {
                Tree::Node(Box::new(left.insert(value)), own, right)
            }
            Tree::Node(left, own, right) => Tree::Node(left, own, Box::new(right.insert(value))),
        }
    }

    fn depth(&self) -> usize {
        match self {
            Tree::Leaf => 0,
            Tree::Node(left, _, right) => 1 + left.depth().max(right.depth()),
        }
    }
}

struct Matrix([[f64; 2]; 2]);

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for row in &self.0 {
            writeln!(f, "|{:>8.3} {:>8.3}|", row[0], row[1])?;
        }
        Ok(())
    }
}

fn collections() {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in "one two three two three three".split(' ') {
        *counts.entry(word.to_string()).or_default() += 1;
    }
    let sorted: BTreeMap<_, _> = counts.iter().collect();
    println!("{sorted:?}");
    let set: BTreeSet<u32> = (0..1000u32).map(|n| n.wrapping_mul(2_654_435_761) % 97).collect();
    println!("{} {:?}", set.len(), set.iter().take(5).collect::<Vec<_>>());
    let mut queue: VecDeque<u64> = (0..5).collect();
    queue.rotate_left(2);
    println!("{queue:?}");
    let mut text: Vec<String> = vec!["straße".into(), "Öl".into(), "apfel".into()];
    text.sort_by_key(|word| word.to_lowercase());
    println!("{} {}", text.join(","), text[0].to_uppercase());
    let mut values: Vec<u64> = (0..200_000).map(|n: u64| n * 6_364_136_223_846_793_005 >> 20).collect();
    values.sort_unstable();
    println!("{} {}", values[0], values[values.len() - 1]);
}

fn formatting() {
    println!("{:#x} {:08b} {:+} {:e} {:?} {:?}", 255, 5, 7, 1234.5, "q\"uote\n", 'ß');
    println!("{:?} {:?} {:?} {}", 0.1 + 0.2, f64::NAN, -f64::INFINITY, 1e21);
    println!("{:#?}", Tree::Leaf.insert(1));
    print!("{}", Matrix([[1.0, 2.5], [-3.25, 1.0 / 3.0]]));
    println!("{}", u128::MAX);
    println!("{:?}", "1,2,x".split(',').map(|s| s.parse::<i32>().ok()).collect::<Vec<_>>());
}

fn time() {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(50));
    let elapsed = start.elapsed();
    println!("slept: {}", elapsed >= Duration::from_millis(50) && elapsed < Duration::from_secs(20));
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    println!("after 2020: {}", since_1970.as_secs() > 1_577_836_800);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    println!("{arguments:?}");
    let mut variables: Vec<(String, String)> = std::env::vars().collect();
    variables.sort();
    println!("{variables:?}");
    match arguments.get(1).map(String::as_str) {
        Some("panic") => {
            let index = arguments.len() + 5;
            println!("{}", arguments[index]);
        }
        Some("exit") => std::process::exit(arguments[2].parse().unwrap()),
        _ => {}
    }
    collections();
    formatting();
    time();
    let tree = (0..2000).fold(Tree::Leaf, |tree, n| tree.insert((n * 7919) % 2003));
    println!("depth {}", tree.depth());
    let shared = Rc::new(tree);
    println!("{} {}", Rc::strong_count(&shared), Rc::clone(&shared) == shared);
    let lines: Vec<String> = io::stdin().lock().lines().map(Result::unwrap).collect();
    println!("{} lines, {} bytes", lines.len(), lines.iter().map(String::len).sum::<usize>());
    writeln!(io::stderr(), "to standard error").unwrap();
    match std::fs::read_to_string("/nowhere/file") {
        Ok(_) => println!("read it?"),
        Err(error) => println!("{:?}", error.kind()),
    }
}
