package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
)

// tlsOptions are the files that either end uses for TLS. Without any there is no
// TLS.
type tlsOptions struct {
	ca, cert, key string
}

func (o *tlsOptions) register(flags *flag.FlagSet) {
	flags.StringVar(&o.ca, "tls-ca", "", "`file` with the authority of the other end, in PEM; a server requires certificates then")
	flags.StringVar(&o.cert, "tls-cert", "", "`file` with the certificate of this end, in PEM")
	flags.StringVar(&o.key, "tls-key", "", "`file` with its key, in PEM")
}

// server returns the configuration of a server, or nil without TLS.
func (o *tlsOptions) server() (*tls.Config, error) {
	if *o == (tlsOptions{}) {
		return nil, nil
	}
	if o.cert == "" {
		return nil, errors.New("a server with TLS needs --tls-cert and --tls-key")
	}
	config, pool, err := o.load()
	if err == nil && pool != nil {
		config.ClientCAs, config.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return config, err
}

// client returns the configuration of a client, or nil without TLS.
func (o *tlsOptions) client(host string) (*tls.Config, error) {
	if *o == (tlsOptions{}) {
		return nil, nil
	}
	config, pool, err := o.load()
	if err == nil {
		config.RootCAs, config.ServerName = pool, host
	}
	return config, err
}

// tlsListener makes connections with TLS. The library's option for TLS is used by
// its ListenAndServe only, which does not tell the port.
type tlsListener struct {
	net.Listener
	tcp *net.TCPListener
}

func (l tlsListener) SetDeadline(t time.Time) error { return l.tcp.SetDeadline(t) }

// secured puts TLS over the connections of a listener, if there is a configuration.
func secured(listener *net.TCPListener, config *tls.Config) core.Listener {
	if config == nil {
		return listener
	}
	return tlsListener{tls.NewListener(listener, config), listener}
}

func (o *tlsOptions) load() (config *tls.Config, pool *x509.CertPool, err error) {
	config = &tls.Config{}
	if o.cert != "" {
		certificate, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, nil, err
		}
		pool = x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("there is no certificate in %s", o.ca)
		}
	}
	return config, pool, nil
}
