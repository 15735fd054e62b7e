// The sample application: one web page that tells which Pod answered.
//
// A static program without dependencies, so that its image can be made from nothing and runs as any user.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	address       = ":8080"
	drainDuration = 10 * time.Second
)

//go:embed page.html
var source string

type visit struct {
	Pod      string
	Version  string
	Greeting string
	Platform string
	User     int
	Started  string
	Number   uint64
	Address  string
}

func main() {
	page := template.Must(template.New("page").Parse(source))
	server := &http.Server{Addr: address, Handler: routes(page), ReadHeaderTimeout: 5 * time.Second}
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		log.Printf("listening on %s", address)
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	<-stopped.Done()
	log.Print("finishing the requests in flight")
	drained, cancel := context.WithTimeout(context.Background(), drainDuration)
	defer cancel()
	if err := server.Shutdown(drained); err != nil {
		log.Fatal(err)
	}
}

func routes(page *template.Template) http.Handler {
	pod, _ := os.Hostname()
	started := time.Now().UTC().Format("2006-01-02 15:04:05 UTC")
	var visits atomic.Uint64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		err := page.Execute(&body, visit{
			Pod:      pod,
			Version:  os.Getenv("VERSION"),
			Greeting: os.Getenv("GREETING"),
			Platform: runtime.GOOS + "/" + runtime.GOARCH,
			User:     os.Getuid(),
			Started:  started,
			Number:   visits.Add(1),
			Address:  addressOf(r),
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body.Bytes())
	})
	return mux
}

// addressOf returns the address that the browser has asked for; a load balancer says how it was asked.
func addressOf(r *http.Request) string {
	scheme := r.Header.Get("X-Forwarded-Proto")
	if scheme == "" {
		scheme = "http"
	}
	return scheme + "://" + r.Host
}
