//! Whether Linux certainly has room for more threads, as its own files tell.
//!
//! To read them takes a tenth of the time that the threads themselves take. They are in a file of
//! their own since `thread_room` needs none of their details.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// So many threads have to be free beside those that are asked for. Other programs start some
/// meanwhile, and a limit that is close is better tried.
const MARGIN: u64 = 512;

/// Whether no limit is known to be near when `threads` more are started. False also where a file
/// cannot be read, or where some limits cannot be seen from here.
pub fn are_far(threads: u64) -> bool {
    let limits = Limits {
        of_user: getrlimit(Resource::Nproc).current,
        // The stacks of threads count against both.
        has_all_memory: [Resource::As, Resource::Data]
            .into_iter()
            .all(|resource| getrlimit(resource).current.is_none()),
        root: Path::new("/"),
    };
    limits.allow(threads).is_some()
}

/// The limits of this process and of the system.
struct Limits<'a> {
    /// How many tasks the user may have; `None` without a limit.
    of_user: Option<u64>,
    /// Whether the process may take as much memory as there is.
    has_all_memory: bool,
    /// Where `proc` and `sys` are.
    root: &'a Path,
}

impl Limits<'_> {
    /// `None` where it is not certain that there is room.
    fn allow(&self, threads: u64) -> Option<()> {
        let wanted = threads + MARGIN;
        let has_room =
            |limit: u64, used: u64| limit.checked_sub(used).is_some_and(|free| free >= wanted);
        certain(self.has_all_memory)?;
        // With 2 the kernel counts each stack as if all of it were in use.
        let overcommit = self.number("proc/sys/vm/overcommit_memory")?;
        certain(overcommit < 2)?;
        // Those of all users, which is cheaper to read than those of one.
        let tasks = tasks(&self.text("proc/loadavg")?)?;
        certain(has_room(self.number("proc/sys/kernel/threads-max")?, tasks))?;
        certain(has_room(self.number("proc/sys/kernel/pid_max")?, tasks))?;
        if let Some(limit) = self.of_user {
            certain(has_room(limit, tasks))?;
            // Elsewhere the limit of the one who has made the namespace counts too.
            certain(is_first_user_namespace(&self.text("proc/self/uid_map")?))?;
        }
        self.cgroups_allow(has_room)
    }

    /// Looks at this process's control group and at each one around it.
    fn cgroups_allow(&self, has_room: impl Fn(u64, u64) -> bool) -> Option<()> {
        let (top, group) = pids_group(&self.text("proc/self/cgroup")?)?;
        let top = self.root.join(top);
        let mut folder = top.join(&group);
        loop {
            // Every control group has this file, so the folder is one.
            certain(folder.join("cgroup.procs").exists())?;
            match fs::read_to_string(folder.join("pids.max")) {
                Ok(most) if most.trim() == "max" => {}
                Ok(most) => {
                    let used = fs::read_to_string(folder.join("pids.current")).ok()?;
                    certain(has_room(number(&most)?, number(&used)?))?;
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
            if folder == top {
                break;
            }
            folder.pop();
        }
        // The root of all groups has neither. Where one is there, a container hides the groups
        // around its own.
        certain(!top.join("pids.max").exists() && !top.join("cgroup.type").exists())
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    fn number(&self, path: &str) -> Option<u64> {
        number(&self.text(path)?)
    }
}

fn certain(is_so: bool) -> Option<()> {
    is_so.then_some(())
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// How many tasks there are, of `proc/loadavg`: "0.52 0.58 0.59 2/1234 5678".
fn tasks(loadavg: &str) -> Option<u64> {
    let (_, all) = loadavg.split_whitespace().nth(3)?.split_once('/')?;
    // This process is one of them. Some containers write nothing but zeros.
    number(all).filter(|tasks| *tasks > 0)
}

/// Whether each user is itself, as in the namespace that the system has started with.
fn is_first_user_namespace(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The folder of all control groups that count tasks, and this process's group in it, of
/// `proc/self/cgroup`.
fn pids_group(groups: &str) -> Option<(&'static str, PathBuf)> {
    let of = |is_wanted: &dyn Fn(&str, &str) -> bool| {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers) = (parts.next()?, parts.next()?);
            is_wanted(number, controllers).then_some(parts.next()?)
        })
    };
    // The second version has all controllers in one tree, unless the first one has them.
    let (top, group) = match of(&|_, names| names.split(',').any(|name| name == "pids")) {
        Some(group) => ("sys/fs/cgroup/pids", group),
        None => (
            "sys/fs/cgroup",
            of(&|number, names| number == "0" && names.is_empty())?,
        ),
    };
    let group = group.strip_prefix('/')?;
    // A group beside the part of the tree that can be seen begins so.
    let is_inside = !group.split('/').any(|name| name == "..");
    is_inside.then_some((top, group.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system of the test's own: the files that tell its limits.
    struct System(tempfile::TempDir);

    impl System {
        /// One that has room for thousands of threads, with a session's control groups.
        fn with_room() -> Self {
            let system = Self(tempfile::tempdir().expect("a folder"));
            for (path, text) in [
                ("proc/loadavg", "7.13 5.71 3.16 9/129 24032\n"),
                ("proc/sys/kernel/threads-max", "192730\n"),
                ("proc/sys/kernel/pid_max", "32768\n"),
                ("proc/sys/vm/overcommit_memory", "0\n"),
                ("proc/self/uid_map", "         0          0 4294967295\n"),
                (
                    "proc/self/cgroup",
                    "0::/user.slice/user-0.slice/session-1.scope\n",
                ),
                ("sys/fs/cgroup/cgroup.procs", ""),
            ] {
                system.write(path, text);
            }
            let mut folder = String::from("sys/fs/cgroup");
            for name in ["user.slice", "user-0.slice", "session-1.scope"] {
                folder = format!("{folder}/{name}");
                system.write(&format!("{folder}/cgroup.procs"), "");
                system.write(&format!("{folder}/cgroup.type"), "domain\n");
                system.write(&format!("{folder}/pids.current"), "40\n");
                system.write(&format!("{folder}/pids.max"), "max\n");
            }
            system
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }

        fn remove(&self, path: &str) {
            fs::remove_file(self.0.path().join(path)).expect("it was there");
        }

        fn has_room(&self) -> bool {
            self.allows(Some(96_365), true)
        }

        fn allows(&self, of_user: Option<u64>, has_all_memory: bool) -> bool {
            let limits = Limits {
                of_user,
                has_all_memory,
                root: self.0.path(),
            };
            limits.allow(24).is_some()
        }
    }

    const GROUP: &str = "sys/fs/cgroup/user.slice/user-0.slice";

    #[test]
    fn a_usual_system_has_room_and_so_has_one_with_a_limit_that_is_far() {
        let system = System::with_room();
        assert!(system.has_room());
        assert!(system.allows(None, true));
        system.write(&format!("{GROUP}/pids.max"), "10813\n");
        system.write("proc/sys/vm/overcommit_memory", "1\n");
        assert!(system.has_room());
    }

    #[test]
    fn every_limit_that_is_near_counts_as_no_room() {
        for (path, text) in [
            ("proc/sys/kernel/threads-max", "600\n"),
            ("proc/sys/kernel/pid_max", "664\n"),
            ("proc/loadavg", "7.13 5.71 3.16 9/32300 24032\n"),
            ("proc/sys/vm/overcommit_memory", "2\n"),
            // The group itself, the one around it, and one that has more than it may.
            (
                "sys/fs/cgroup/user.slice/user-0.slice/session-1.scope/pids.max",
                "100\n",
            ),
            ("sys/fs/cgroup/user.slice/user-0.slice/pids.max", "575\n"),
            ("sys/fs/cgroup/user.slice/pids.max", "10\n"),
        ] {
            let system = System::with_room();
            system.write(path, text);
            assert!(!system.has_room(), "{path}: {text}");
        }
        let system = System::with_room();
        assert!(!system.allows(Some(129 + 24 + 511), true));
        assert!(system.allows(Some(129 + 24 + 512), true));
        assert!(!system.allows(Some(0), true));
        assert!(!system.allows(None, false), "the memory has a limit");
    }

    #[test]
    fn limits_that_cannot_be_seen_count_as_no_room() {
        for (path, text) in [
            ("proc/loadavg", "0.00 0.00 0.00 0/0 0\n"),
            ("proc/loadavg", "nonsense\n"),
            ("proc/sys/kernel/threads-max", "-1\n"),
            // The one who has made this user namespace has a limit too.
            ("proc/self/uid_map", "0 1000 1\n"),
            ("proc/self/cgroup", ""),
            ("proc/self/cgroup", "0::/../beside\n"),
            ("proc/self/cgroup", "0::/not/there\n"),
            // A container whose group is the root of what can be seen.
            ("sys/fs/cgroup/cgroup.type", "domain\n"),
            ("sys/fs/cgroup/pids.max", "max\n"),
            ("sys/fs/cgroup/user.slice/pids.max", "\n"),
        ] {
            let system = System::with_room();
            system.write(path, text);
            assert!(!system.has_room(), "{path}: {text}");
        }
        for path in [
            "proc/loadavg",
            "proc/sys/kernel/threads-max",
            "proc/sys/kernel/pid_max",
            "proc/sys/vm/overcommit_memory",
            "proc/self/uid_map",
            "proc/self/cgroup",
            "sys/fs/cgroup/cgroup.procs",
        ] {
            let system = System::with_room();
            system.remove(path);
            assert!(!system.has_room(), "without {path}");
        }
    }

    #[test]
    fn the_first_version_of_control_groups_is_read_too() {
        let system = System::with_room();
        let groups = "9:name=systemd:/\n8:cpu,pids:/a/b\n4:memory:/c\n0::/\n";
        system.write("proc/self/cgroup", groups);
        assert!(!system.has_room(), "there is no such group");
        for folder in ["", "/a", "/a/b"] {
            system.write(&format!("sys/fs/cgroup/pids{folder}/cgroup.procs"), "");
        }
        for folder in ["/a", "/a/b"] {
            system.write(&format!("sys/fs/cgroup/pids{folder}/pids.current"), "9\n");
            system.write(&format!("sys/fs/cgroup/pids{folder}/pids.max"), "max\n");
        }
        assert!(system.has_room());
        system.write("sys/fs/cgroup/pids/a/pids.max", "500\n");
        assert!(!system.has_room());
    }
}
