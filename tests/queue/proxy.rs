//! A road to Redis that can be blocked and cut.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use shopbell::queue::connect::Redis;

#[derive(Clone)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Nothing goes through, and nothing says so.
    blocked: AtomicBool,
    /// Nobody gets in.
    cut: AtomicBool,
    sockets: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = proxy.state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), false) = (client, state.cut.load(Ordering::SeqCst)) else { continue };
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                _ = client.set_nodelay(true);
                _ = server.set_nodelay(true);
                let mut sockets = state.sockets.lock().unwrap();
                sockets.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                drop(sockets);
                pump(client.try_clone().unwrap(), server.try_clone().unwrap(), state.clone());
                pump(server, client, state.clone());
            }
        });
        proxy
    }

    pub fn place(&self) -> Redis {
        Redis::parse(&format!("redis://127.0.0.1:{}", self.port), None).unwrap()
    }

    pub fn block(&self) {
        self.state.blocked.store(true, Ordering::SeqCst);
    }

    pub fn unblock(&self) {
        self.state.blocked.store(false, Ordering::SeqCst);
    }

    pub fn cut(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
        self.state.sockets.lock().unwrap().drain(..).for_each(|socket| _ = socket.shutdown(Shutdown::Both));
    }

    pub fn mend(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: Arc<State>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while state.blocked.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        _ = from.shutdown(Shutdown::Both);
        _ = to.shutdown(Shutdown::Both);
    });
}
