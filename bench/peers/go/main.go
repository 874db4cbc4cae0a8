// The project list on Go's net/http, pgx and golang-jwt: one process that uses
// every core.  MODE is "bare" or "guaranteed"; see bench/README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt"
	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

type statement struct {
	Text   string   `json:"text"`
	Params []string `json:"params"`
}

type claims struct {
	jwt.StandardClaims
	User    string `json:"uid"`
	Tenant  string `json:"tid"`
	Session string `json:"sid"`
}

type project struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Description *string `json:"description"`
	OwnerID     string  `json:"owner_id"`
	CreatedAt   string  `json:"created_at"`
	UpdatedAt   string  `json:"updated_at"`
}

type page struct {
	Items []project `json:"items"`
	Total int64     `json:"total"`
	Skip  int       `json:"skip"`
	Limit int       `json:"limit"`
}

type server struct {
	pool       *pgxpool.Pool
	secret     []byte
	guaranteed bool
	list       statement
}

const milliseconds = "2006-01-02T15:04:05.000Z"

var errToken = errors.New("bad token")

func (s *server) caller(r *http.Request) (*claims, error) {
	text := r.Header.Get("Authorization")
	if len(text) < 8 {
		return nil, errToken
	}
	var c claims
	_, err := jwt.ParseWithClaims(text[7:], &c, func(t *jwt.Token) (interface{}, error) {
		if t.Method != jwt.SigningMethodHS256 {
			return nil, errToken
		}
		return s.secret, nil
	})
	if err != nil || !c.VerifyIssuer("ashlar", true) || !c.VerifyAudience("ashlar", true) {
		return nil, errToken
	}
	return &c, nil
}

// A number from the query string between min and max, or def when it is not there.
func number(text string, def, min, max int) (int, bool) {
	if text == "" {
		return def, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= min && n <= max
}

func (s *server) values(c *claims, skip, limit int) []interface{} {
	values := make([]interface{}, len(s.list.Params))
	for i, name := range s.list.Params {
		switch name {
		case "skip":
			values[i] = skip
		case "limit":
			values[i] = limit
		case "user_id":
			values[i] = c.User
		case "tenant_id":
			values[i] = c.Tenant
		}
	}
	return values
}

func scan(rows pgx.Rows, out *page) error {
	defer rows.Close()
	for rows.Next() {
		var id, name, owner *string
		var description *string
		var created, updated *time.Time
		if err := rows.Scan(&out.Total, &id, &name, &description, &owner, &created, &updated); err != nil {
			return err
		}
		if id == nil { // an empty page is one row that carries the total
			break
		}
		out.Items = append(out.Items, project{*id, *name, description, *owner,
			created.UTC().Format(milliseconds), updated.UTC().Format(milliseconds)})
	}
	return rows.Err()
}

func (s *server) run(ctx context.Context, c *claims, out *page) error {
	values := s.values(c, out.Skip, out.Limit)
	if !s.guaranteed {
		rows, err := s.pool.Query(ctx, "list", values...)
		if err != nil {
			return err
		}
		return scan(rows, out)
	}
	// One batch is one round trip and, up to its sync, one transaction.
	var batch pgx.Batch
	batch.Queue("enter", c.Tenant, c.Issuer, c.Subject, c.Session, "user", true)
	batch.Queue("list", values...)
	results := s.pool.SendBatch(ctx, &batch)
	defer results.Close()
	if _, err := results.Exec(); err != nil {
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	return scan(rows, out)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write([]byte(`{"error":{"code":"` + code + `"}}`))
}

func (s *server) projects(w http.ResponseWriter, r *http.Request) {
	c, err := s.caller(r)
	if err != nil {
		refuse(w, 401, "AUTHENTICATION_ERROR")
		return
	}
	query := r.URL.Query()
	skip, ok1 := number(query.Get("skip"), 0, 0, 1<<31-1)
	limit, ok2 := number(query.Get("limit"), 20, 1, 100)
	if !ok1 || !ok2 {
		refuse(w, 422, "VALIDATION_ERROR")
		return
	}
	out := page{Items: make([]project, 0, limit), Skip: skip, Limit: limit}
	if err := s.run(r.Context(), c, &out); err != nil {
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == "AS401" {
			refuse(w, 401, "AUTHENTICATION_ERROR")
			return
		}
		log.Print(err)
		refuse(w, 500, "INTERNAL")
		return
	}
	body, err := json.Marshal(&out)
	if err != nil {
		log.Print(err)
		refuse(w, 500, "INTERNAL")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

func main() {
	text, err := os.ReadFile(os.Getenv("STATEMENTS"))
	if err != nil {
		log.Fatal(err)
	}
	statements := map[string]statement{}
	if err := json.Unmarshal(text, &statements); err != nil {
		log.Fatal(err)
	}
	s := &server{secret: []byte(os.Getenv("JWT_SECRET")), guaranteed: os.Getenv("MODE") == "guaranteed"}
	s.list = statements[os.Getenv("MODE")]

	config, err := pgxpool.ParseConfig("pool_max_conns=" + os.Getenv("POOL"))
	if err != nil {
		log.Fatal(err)
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Prepare(ctx, "list", s.list.Text); err != nil {
			return err
		}
		_, err := conn.Prepare(ctx, "enter", statements["enter"].Text)
		return err
	}
	s.pool, err = pgxpool.ConnectConfig(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", os.Getenv("SOCKET"))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/app/projects", s.projects)
	log.Fatal(http.Serve(listener, mux))
}
