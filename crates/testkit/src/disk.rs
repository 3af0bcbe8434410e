//! A small real disk for one test: it can fill up, and it can turn read-only as a failing disk
//! does. Mounting needs root, or a user namespace with root: `scripts/chaos.sh` creates one.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// What backs the mount point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// A tmpfs of this many bytes.
    Memory(u64),
    /// An ext4 file system of this many bytes in a file, mounted with `errors=remount-ro`. Needs
    /// root and loop devices. It has no journal: between a journal's abort and the moment when the
    /// file system turns read-only, Linux 6.18 confirms an `fdatasync` of data that is then lost.
    Ext4(u64),
}

/// A mounted disk. No file on it may be open when it is dropped.
#[derive(Debug)]
pub struct Disk {
    kind: DiskKind,
    directory: TempDir,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It is fine if the mount is already gone.
        drop(run("umount", &["-l".as_ref(), self.path().as_os_str()]));
    }
}

impl Disk {
    /// Creates and mounts a disk.
    pub fn mount(kind: DiskKind) -> Result<Self> {
        let directory = TempDir::new()?;
        let disk = Self { kind, directory };
        fs::create_dir(disk.path())?;
        match kind {
            DiskKind::Memory(bytes) => {
                let size = format!("size={bytes}");
                let options = ["-t", "tmpfs", "-o", &size, "gatelog-test"].map(AsRef::as_ref);
                run("mount", &[&options[..], &[disk.path().as_os_str()]].concat())
                    .context("a disk of a test's own needs root, or 'make chaos'")?;
            }
            DiskKind::Ext4(bytes) => {
                File::create(disk.image())?.set_len(bytes)?;
                let options = ["-q", "-O", "^has_journal"].map(AsRef::as_ref);
                run("mkfs.ext4", &[&options[..], &[disk.image().as_os_str()]].concat())?;
                disk.mount_image().context("a disk in a file needs root and loop devices")?;
            }
        }
        Ok(disk)
    }

    /// The mount point.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    /// Writes a file until at most `leaving` bytes are free.
    pub fn fill(&self, leaving: u64) -> Result<()> {
        let mut ballast = File::create(self.ballast())?;
        let mut piece = vec![0xa5; 64 << 10];
        while !piece.is_empty() && self.free_bytes()? > leaving {
            match ballast.write_all(&piece) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    piece.truncate(piece.len() / 2);
                }
                Err(error) => return Err(error).context("filling a disk"),
            }
        }
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64> {
        let disk = rustix::fs::statvfs(self.path())?;
        Ok(disk.f_bavail * disk.f_frsize)
    }

    /// Removes what [`fill`](Self::fill) wrote.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("freeing a disk")
    }

    /// Makes the file system hit an error and turn read-only while programs have files open for
    /// writing: this is what a failing disk does, and what `mount -o remount,ro` refuses to do.
    pub fn fail(&self) -> Result<()> {
        ensure!(matches!(self.kind, DiskKind::Ext4(_)), "only an ext4 disk can fail");
        let device = output("findmnt", &["-n", "-o", "SOURCE", "--target"], &self.path())?;
        let name = device.trim().strip_prefix("/dev/").context("not on a device")?;
        let trigger = format!("/sys/fs/ext4/{name}/trigger_fs_error");
        fs::write(&trigger, "a disk that fails").with_context(|| trigger.clone())?;
        match File::create(self.path().join("probe")).map_err(|error| error.kind()) {
            Err(ErrorKind::ReadOnlyFilesystem) => Ok(()),
            other => bail!("the file system did not turn read-only: {other:?}"),
        }
    }

    /// Checks and remounts it, as an operator must after [`fail`](Self::fail). No file on it may be
    /// open.
    pub fn mend(&self) -> Result<()> {
        run("umount", &[self.path().as_os_str()])?;
        // 0: clean; 1: errors corrected.
        let checked = Command::new("e2fsck").arg("-fy").arg(self.image()).output()?;
        ensure!(matches!(checked.status.code(), Some(0 | 1)), "e2fsck: {}", checked.status);
        self.mount_image()
    }

    fn mount_image(&self) -> Result<()> {
        let options = ["-o", "loop,errors=remount-ro"].map(AsRef::as_ref);
        let paths = [self.image(), self.path()];
        let paths = paths.each_ref().map(|path| path.as_os_str());
        run("mount", &[&options[..], &paths[..]].concat())
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

fn run(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<()> {
    let done =
        Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    let told = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{program} {arguments:?}: {}", told.trim());
    Ok(())
}

fn output(program: &str, arguments: &[&str], path: &Path) -> Result<String> {
    let done = Command::new(program).args(arguments).arg(path).output()?;
    ensure!(done.status.success(), "{program} ended with {}", done.status);
    Ok(String::from_utf8(done.stdout)?)
}
