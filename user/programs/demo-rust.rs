// Demonstration in Rust: collections, iterators, closures and formatting.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::time::Instant;

/// The least cost from one corner of a grid to the other, by Dijkstra's algorithm.
fn cheapest_path(size: usize, cost: impl Fn(usize, usize) -> u32) -> u32 {
    let mut best: HashMap<(usize, usize), u32> = HashMap::new();
    let mut heap = BinaryHeap::new();
    heap.push((std::cmp::Reverse(0), 0, 0));
    while let Some((std::cmp::Reverse(so_far), x, y)) = heap.pop() {
        if (x, y) == (size - 1, size - 1) {
            return so_far;
        }
        if best.get(&(x, y)).map_or(false, |&known| known <= so_far) {
            continue;
        }
        best.insert((x, y), so_far);
        let next = [(x + 1, y), (x, y + 1), (x.wrapping_sub(1), y), (x, y.wrapping_sub(1))];
        for (nx, ny) in next.into_iter().filter(|&(nx, ny)| nx < size && ny < size) {
            heap.push((std::cmp::Reverse(so_far + cost(nx, ny)), nx, ny));
        }
    }
    unreachable!("a grid is connected")
}

/// How many numbers up to `limit` take how many steps to reach 1 by Collatz's rule.
fn collatz(limit: u64) -> BTreeMap<u32, usize> {
    let mut lengths = BTreeMap::new();
    for start in 1..=limit {
        let steps = std::iter::successors(Some(start), |&n| match n {
            1 => None,
            n if n % 2 == 0 => Some(n / 2),
            n => Some(3 * n + 1),
        })
        .count() as u32;
        *lengths.entry(steps).or_insert(0) += 1;
    }
    lengths
}

fn main() {
    let start = Instant::now();
    println!("Hello from Rust.");

    let lengths = collatz(100_000);
    let (longest, _) = lengths.iter().next_back().unwrap();
    let (common, count) = lengths.iter().max_by_key(|&(_, count)| count).unwrap();
    println!("  [Rust] Collatz: the longest chain has {longest} steps, most have {common} ({count} of them)");

    let cost = |x: usize, y: usize| ((x * 7919) ^ (y * 104_729)) as u32 % 9 + 1;
    println!("  [Rust] the cheapest way across 120 x 120 costs {}", cheapest_path(120, cost));

    let squares: HashSet<u64> = (1..50_000u64).map(|n| n * n % 65_537).collect();
    println!("  [Rust] {} different squares modulo 65537", squares.len());
    println!("  [Rust] took {} ms", start.elapsed().as_millis());
}
