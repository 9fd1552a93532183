//! The disk under SQLite is full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use shopbell_harness::{Crowd, Doors, Plan, TestNode, Watch};
use tokio::time::sleep;

use crate::alone::{SOON, alone, figure, seed, sized};

/// A small disk of its own, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where this process may not mount.
    fn of(megabytes: usize) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory").keep();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "shopbell-test"]).arg(&dir).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir)),
            other => {
                eprintln!("cannot mount a small disk: {other:?}");
                std::fs::remove_dir(&dir).expect("an empty directory");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Fills it to the last byte. What is let go again is so large that the log has space in it.
    fn fill(&self) {
        use std::io::Write;
        let mut ballast = std::fs::File::create(self.ballast()).expect("a file of ours");
        for size in [1 << 20, 4 << 10, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn relieve(&self) {
        std::fs::remove_file(self.ballast()).expect("a file of ours");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that has just been killed may still hold it.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
        std::fs::remove_dir(&self.0).ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_stored_is_refused_until_there_is_space() {
    let _alone = alone().await;
    let Some(disk) = Disk::of(128) else {
        println!("figure: full disk: NOT TESTED, for this process may not mount a disk");
        return;
    };
    let database = format!("sqlite://{}", disk.path().join("shopbell.db").display());
    let node = TestNode::builder_without_database().database(&database).start().await;
    let doors: Doors = Arc::new(vec![Mutex::new(node.base().to_owned())]);
    let plan = Plan::default();
    plan.hire(&node).await;
    let crowd = Crowd::gather(plan, Arc::clone(&doors), seed("full disk")).await;
    let watch = Watch::over(&doors);
    let mut repairs = Vec::new();
    for _ in 0..sized(2, 10) {
        sleep(Duration::from_millis(500)).await;
        disk.fill();
        // The log has some space of its own.
        let full = Instant::now();
        println!(
            "figure: full disk: {} MiB of it are ballast",
            disk.ballast().metadata().expect("a file of ours").len() >> 20
        );
        while crowd.ledger().acks_within(Duration::from_millis(500)) > 0 {
            assert!(full.elapsed() < Duration::from_secs(20), "the disk is never full");
            sleep(Duration::from_millis(50)).await;
        }
        let lost = Instant::now();
        sleep(Duration::from_secs(sized(1, 5))).await;
        let found = Instant::now();
        disk.relieve();
        repairs.push(crowd.repaired().await);
        watch.was_true_between(0, lost..found);
        assert!(watch.ready_after(&[0], found).is_some_and(|ready| ready < SOON), "{:?}", watch.asked().last());
    }
    let verdict = crowd.judged().await;
    assert!(verdict["refused"]["unavailable"].as_u64().is_some_and(|refused| refused > 0), "{verdict:#}");
    figure("full disk", &verdict, &repairs);
}
