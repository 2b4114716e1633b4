//! Where validators stand: seven regions of three clouds, with the round trips between them as they were published.
//!
//! - AWS: medians of a day, by cloudping.co, as commonware's `estimator` has them (github.com/commonwarexyz/monorepo,
//!   `examples/estimator/src/p50.json`, commit 4622dfb1b6).
//! - Azure: the 95th percentile of 30 days up to 30 July 2026, by Microsoft ("Azure network round-trip latency statistics",
//!   learn.microsoft.com/azure/networking/azure-network-latency). It says nothing of one region; 2 ms are taken, as between
//!   IBM's zones.
//! - IBM Cloud: averages of 27 July to 25 August 2024, by IBM ("Network latency", cloud.ibm.com/docs/vpc, in
//!   github.com/ibm-cloud-docs/vpc, `_include-segments/network-latency.md`); within one region between its zones.
//!
//! The regions stand in one order: two of North America, two of Europe, two of the western Pacific, Brazil.

use std::time::Duration;

/// How many regions each cloud has here.
pub const REGIONS: usize = 7;

/// A cloud.
pub struct Cloud {
    /// Its name, and what its figures are.
    pub name: &'static str,
    /// Its regions.
    pub regions: [&'static str; REGIONS],
    /// Round trips in milliseconds, from row to column.
    round_trips_ms: [[u16; REGIONS]; REGIONS],
}

/// The clouds.
pub const CLOUDS: [Cloud; 3] = [
    Cloud {
        name: "AWS (medians)",
        regions: [
            "us-east-1",
            "us-west-2",
            "eu-west-1",
            "eu-central-1",
            "ap-northeast-1",
            "ap-southeast-1",
            "sa-east-1",
        ],
        round_trips_ms: [
            [6, 64, 70, 93, 150, 220, 115],
            [64, 3, 118, 143, 98, 160, 175],
            [70, 119, 3, 27, 202, 179, 178],
            [93, 142, 27, 4, 227, 160, 204],
            [150, 99, 202, 228, 3, 71, 258],
            [219, 161, 179, 161, 71, 4, 328],
            [115, 175, 179, 205, 259, 328, 3],
        ],
    },
    Cloud {
        name: "Azure (95th percentiles)",
        regions: [
            "East US",
            "West US",
            "North Europe",
            "Germany West Central",
            "Japan East",
            "Southeast Asia",
            "Brazil South",
        ],
        round_trips_ms: [
            [2, 74, 74, 97, 165, 229, 119],
            [72, 2, 138, 158, 110, 172, 171],
            [76, 137, 2, 29, 232, 236, 176],
            [97, 157, 28, 2, 246, 179, 199],
            [165, 109, 232, 250, 2, 74, 275],
            [229, 171, 236, 179, 74, 2, 337],
            [121, 170, 176, 201, 265, 337, 2],
        ],
    },
    Cloud {
        name: "IBM Cloud (averages)",
        regions: ["Washington DC", "Dallas", "London", "Frankfurt", "Tokyo", "Sydney", "São Paulo"],
        round_trips_ms: [
            [2, 31, 75, 91, 164, 214, 118],
            [31, 2, 113, 123, 143, 186, 146],
            [75, 113, 2, 13, 243, 261, 188],
            [91, 123, 13, 2, 233, 250, 198],
            [166, 143, 244, 233, 2, 115, 284],
            [214, 186, 261, 249, 115, 2, 328],
            [119, 144, 187, 196, 283, 328, 2],
        ],
    },
];

impl Cloud {
    /// Delays one way, between validators in these regions: half of the round trips.
    pub fn delays(&self, places: &[usize]) -> Vec<Vec<Duration>> {
        let delay = |from: usize, to: usize| {
            Duration::from_micros(u64::from(self.round_trips_ms[from][to]) * 500)
        };
        places.iter().map(|from| places.iter().map(|to| delay(*from, *to)).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_of_a_way_are_about_as_long() {
        for Cloud { name, round_trips_ms, .. } in CLOUDS {
            let ways = (0..REGIONS).flat_map(|from| (0..from).map(move |to| (from, to)));
            for (from, to) in ways {
                let (there, back) = (round_trips_ms[from][to], round_trips_ms[to][from]);
                assert!(there.abs_diff(back) <= 10, "{name}: {from} and {to}");
                assert!(there > round_trips_ms[from][from]);
            }
        }
    }
}
