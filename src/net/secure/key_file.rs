//! Files with a key: nobody but their owner may read them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use super::key::{Key, KeyText};
use crate::failure::{Invalid, describe, typed_path};

/// A longer file is no key file.
const LONGEST: u64 = 4096;

/// The command that makes a key file.
const WRITES: &str = "vidchat key --out PATH writes a key file";

/// Reads a key file.
///
/// # Errors
/// It cannot be read, others can read it too, or there is no key in it.
pub fn read_key_file(path: &Path) -> Result<Key, Invalid> {
    let file = File::open(path).map_err(|e| missing(path, e))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(folder().hint("name the key file in it as well"));
    }
    refuse_open_to_others(path, &file)?;
    let mut text = Zeroizing::new(String::new());
    let read = file.take(LONGEST + 1).read_to_string(&mut text);
    match read {
        Ok(count) if count as u64 > LONGEST => {
            Err(Invalid::new("it is too long for a key file").hint(WRITES))
        }
        Ok(_) => text.parse(),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            Err(Invalid::new("it is no text").hint(WRITES))
        }
        Err(e) => Err(unreadable(e)),
    }
}

/// Writes a new key file, which nobody but its owner can read.
///
/// # Errors
/// It cannot be written, or is there already: a key that is in use is not lost by a second command.
pub fn write_key_file(path: &Path, key: &KeyText) -> Result<(), Invalid> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(key.file().as_bytes()));
    written.map_err(|e| match e.kind() {
        _ if path.is_dir() => folder().hint(format!(
            "vidchat key --out {}",
            typed_path(&path.join("vidchat.key"))
        )),
        io::ErrorKind::NotFound => match path.parent() {
            Some(parent) => Invalid::new("its folder is not there")
                .hint(format!("mkdir -p {}", typed_path(parent))),
            None => unreadable(e),
        },
        io::ErrorKind::AlreadyExists => Invalid::new("it is there already")
            .hint("remove it first if no other machine needs its key"),
        _ => unreadable(e),
    })
}

fn folder() -> Invalid {
    Invalid::new("it is a folder")
}

/// The fault of a key file that cannot be opened.
fn missing(path: &Path, e: io::Error) -> Invalid {
    match e.kind() {
        io::ErrorKind::NotFound => Invalid::new("there is no such file").hint(format!(
            "copy it from the other machine; the first one is made by: vidchat key --out {}",
            typed_path(path)
        )),
        io::ErrorKind::PermissionDenied => {
            unreadable(e).hint("the person who runs vidchat has to own it")
        }
        _ => unreadable(e),
    }
}

fn unreadable(e: io::Error) -> Invalid {
    Invalid::new(describe(&e))
}

/// Refuses a file that others can read or change. Its key may be known to them.
#[cfg(unix)]
fn refuse_open_to_others(path: &Path, file: &File) -> Result<(), Invalid> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().map_err(unreadable)?;
    // A pipe of a shell, as in `--key-file <(pass vidchat)`, has no owner to speak of.
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        return Err(Invalid::new("others on this machine can read it")
            .hint(format!("chmod 600 {}", typed_path(path))));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_open_to_others(_path: &Path, _file: &File) -> Result<(), Invalid> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_for_its_owner_alone_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = KeyText::random();
        write_key_file(&path, &key).unwrap();
        assert_eq!(read_key_file(&path), key.to_string().parse());
        let again = write_key_file(&path, &KeyText::random()).unwrap_err();
        assert_eq!(again.to_string(), "it is there already");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            for mode in [0o640, 0o604, 0o620, 0o602] {
                let open = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(&path, open).unwrap();
                let refused = read_key_file(&path).unwrap_err();
                assert_eq!(refused.to_string(), "others on this machine can read it");
                assert!(
                    format!("{refused:?}").contains("chmod 600 /"),
                    "{refused:?}"
                );
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_command_that_closes_a_key_file_can_be_typed_as_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my $HOME's key");
        write_key_file(&path, &KeyText::random()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = format!("{:?}", read_key_file(&path).unwrap_err());
        let command = refused.split("chmod").nth(1).unwrap();
        let command = format!("chmod{}", command.split("\")").next().unwrap());
        let command = command.replace("\\\\", "\\");
        let typed = std::process::Command::new("sh")
            .args(["-c", &command])
            .status();
        assert!(typed.unwrap().success(), "{command}");
        assert!(read_key_file(&path).is_ok(), "{command}");
    }

    #[test]
    fn what_is_no_key_file_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let missing = read_key_file(&path).unwrap_err();
        assert_eq!(missing.to_string(), "there is no such file");
        for (error, hint) in [
            (read_key_file(folder.path()), "file in it"),
            (
                write_key_file(folder.path(), &KeyText::random()).map(|()| unreachable!()),
                "/vidchat.key",
            ),
            (
                write_key_file(&path.join("a"), &KeyText::random()).map(|()| unreachable!()),
                "mkdir -p /",
            ),
        ] {
            let error = format!("{:?}", error.unwrap_err());
            assert!(error.contains("folder") && error.contains(hint), "{error}");
        }
        for (bytes, why) in [
            (vec![], "it is empty"),
            (vec![b'a'; 5000], "it is too long for a key file"),
            (vec![0xff; 28], "it is no text"),
            (b"hunter2".to_vec(), "no key has the letter 'u'"),
        ] {
            let _ = std::fs::remove_file(&path);
            let key = KeyText::random();
            write_key_file(&path, &key).unwrap();
            // The file keeps its mode.
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read_key_file(&path).unwrap_err().to_string(), why);
        }
    }
}
