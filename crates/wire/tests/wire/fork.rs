//! A forked child of a program that is served.
#![expect(unsafe_code, reason = "forks, and asks for the state of descriptors by their numbers")]

use keelback_wire::server::Config;

use crate::peer::serve;

/// How many descriptors are open.
fn open_descriptors() -> usize {
    // SAFETY: F_GETFD changes nothing, and is refused for a number that is no descriptor.
    (0..1024).filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0).count()
}

#[test]
fn a_child_closes_what_it_inherited_and_the_parent_serves_on() {
    let served = serve(Config::default());
    let mut client = served.client();
    let handle = served.server.handle();
    // SAFETY: the child calls nothing but what is made for it, `abandon`, and system calls.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let before = open_descriptors();
        served.server.abandon();
        handle.closed("a");
        served.server.stop();
        // The listener, the connection and both ends of the waker.
        let is_right = before - open_descriptors() == 4;
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(i32::from(!is_right)) };
    }
    let mut status = -1;
    // SAFETY: `status` lives until the call returns.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    let session = client.open().session;
    client.eval(&session, "1+1");
    assert_eq!(client.text(), "2");
    assert!(served.path.exists());
}
