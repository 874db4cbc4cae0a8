<?php
// The project list on php-fpm and PDO: one child per core, persistent
// connections, opcache on.  MODE is "bare" or "guaranteed"; see bench/README.md.
declare(strict_types=1);

function refuse(int $status, string $code): never
{
	http_response_code($status);
	header('Content-Type: application/json');
	echo json_encode(['error' => ['code' => $code]]);
	exit;
}

function base64url(string $text): string
{
	return (string) base64_decode(strtr($text, '-_', '+/'));
}

/** The token's claims; what firebase/php-jwt does, which Debian does not have. */
function claims(): array
{
	$parts = explode('.', substr($_SERVER['HTTP_AUTHORIZATION'] ?? '', 7));
	if (count($parts) !== 3)
		refuse(401, 'AUTHENTICATION_ERROR');
	[$head, $payload, $signature] = $parts;
	$header = json_decode(base64url($head), true);
	$sum = hash_hmac('sha256', "$head.$payload", $_SERVER['JWT_SECRET'], true);
	$claims = json_decode(base64url($payload), true);
	if (($header['alg'] ?? '') !== 'HS256' || !hash_equals($sum, base64url($signature)) || !is_array($claims)
	    || $claims['exp'] < time() - 30 || $claims['iss'] !== 'ashlar' || $claims['aud'] !== 'ashlar')
		refuse(401, 'AUTHENTICATION_ERROR');
	return $claims;
}

/** A number from the query string between min and max. */
function number(string $name, int $def, int $min, int $max): int
{
	$n = filter_var($_GET[$name] ?? $def, FILTER_VALIDATE_INT, ['options' => ['min_range' => $min, 'max_range' => $max]]);
	if ($n === false)
		refuse(422, 'VALIDATION_ERROR');
	return $n;
}

/** PostgreSQL's text, in UTC, as RFC 3339 with milliseconds. */
function time_of(string $text): string
{
	return substr($text, 0, 10) . 'T' . substr($text, 11, 8) . '.' . substr(str_pad(substr($text, 20, -3), 3, '0'), 0, 3) . 'Z';
}

/** Run a statement that this connection has prepared. */
function run(PDO $db, string $name, array $values): PDOStatement
{
	$literals = array_map(fn ($value) => match (true) {
		is_int($value) => (string) $value,
		is_bool($value) => $value ? 'true' : 'false',
		default => $db->quote($value),
	}, $values);
	return $db->query("EXECUTE $name(" . implode(', ', $literals) . ')');
}

function rows(PDO $db, bool $guaranteed, array $claims, array $values): array
{
	if (!$guaranteed)
		return run($db, 'list', $values)->fetchAll(PDO::FETCH_ASSOC);
	$db->beginTransaction();
	run($db, 'enter', [$claims['tid'], $claims['iss'], $claims['sub'], $claims['sid'], 'user', true]);
	$rows = run($db, 'list', $values)->fetchAll(PDO::FETCH_ASSOC);
	$db->commit();
	return $rows;
}

$claims = claims();
$skip = number('skip', 0, 0, PHP_INT_MAX);
$limit = number('limit', 20, 1, 100);

$statements = require $_SERVER['STATEMENTS'];
$guaranteed = $_SERVER['MODE'] === 'guaranteed';
$list = $statements[$_SERVER['MODE']];
$named = ['skip' => $skip, 'limit' => $limit, 'user_id' => $claims['uid'], 'tenant_id' => $claims['tid']];

// PDO's own prepared statements end with the request; those that SQL prepares
// live as long as the persistent connection.  On a new one they are missing.
$db = new PDO($_SERVER['DSN'], null, null, [
	PDO::ATTR_PERSISTENT => true,
	PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
	PDO::PGSQL_ATTR_DISABLE_PREPARES => true,
]);
$values = array_map(fn ($name) => $named[$name], $list['params']);
try {
	try {
		$rows = rows($db, $guaranteed, $claims, $values);
	} catch (PDOException $e) {
		if ($e->getCode() !== '26000')
			throw $e;
		if ($db->inTransaction())
			$db->rollBack();
		$db->exec("PREPARE list AS {$list['text']}");
		$db->exec("PREPARE enter AS {$statements['enter']['text']}");
		$rows = rows($db, $guaranteed, $claims, $values);
	}
} catch (PDOException $e) {
	if ($db->inTransaction())
		$db->rollBack();
	if ($e->getCode() === 'AS401')
		refuse(401, 'AUTHENTICATION_ERROR');
	throw $e;
}

$total = $rows[0]['total'];
$items = [];
foreach ($rows as $row) {
	if ($row['id'] === null)
		break;
	unset($row['total']);
	$row['created_at'] = time_of($row['created_at']);
	$row['updated_at'] = time_of($row['updated_at']);
	$items[] = $row;
}
header('Content-Type: application/json');
echo json_encode(['items' => $items, 'total' => $total, 'skip' => $skip, 'limit' => $limit],
	JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
