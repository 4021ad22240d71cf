//! TLS in front of a server that speaks plain HTTP, with the certificate of `tests/python/certificate.py`.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Puts TLS in front of the server at an `http://` address, and gives the `https://` one.
pub async fn front(address: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fronted = format!("https://{}", listener.local_addr().unwrap());
    let plain = address.strip_prefix("http://").unwrap().to_owned();
    let acceptor = acceptor();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            tokio::spawn(async move {
                stream.set_nodelay(true)?;
                let mut secured = acceptor.accept(stream).await?;
                let mut plain = TcpStream::connect(plain).await?;
                plain.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut secured, &mut plain).await
            });
        }
    });
    fronted
}

fn acceptor() -> TlsAcceptor {
    let folder = crate::tool_folder("tls");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let key = PrivateKeyDer::try_from(read("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![read("server.der").into()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
