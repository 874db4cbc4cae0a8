-- wrk's requests, in turn from a file, and its figures as one line of JSON.
--
-- Each line of the file: method, path, token, further headers ("Name: value",
-- with | between them) and body, separated by tabs.  A second argument is a
-- pause in milliseconds: each connection waits half to one and a half times as
-- long before each request.

local requests, next_one = {}, 0

function init(args)
	for line in io.lines(args[1]) do
		local method, path, token, more, body = line:match("^(%S+)\t(%S+)\t(%S*)\t([^\t]*)\t(.*)$")
		local headers = {}
		for name, value in more:gmatch("([%w-]+): ([^|]*)") do headers[name] = value end
		if token ~= "" then headers["Authorization"] = "Bearer " .. token end
		if body == "" then
			body = nil
		else
			headers["Content-Type"] = "application/json"
		end
		requests[#requests + 1] = wrk.format(method, path, headers, body)
	end
	-- Each thread starts elsewhere.
	math.randomseed(os.time() + tonumber(tostring(requests):match("0x(%x+)"), 16) % 1000003)
	next_one = math.random(#requests)
	local pause = tonumber(args[2])
	if pause then
		function delay() return math.floor(pause * (0.5 + math.random())) end
	end
end

function request()
	next_one = next_one % #requests + 1
	return requests[next_one]
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'JSON {"requests":%d,"seconds":%.6f,"bytes":%d,"refused":%d,"broken":%d,"p50_us":%d,"p99_us":%d,"max_us":%d}\n',
		summary.requests, summary.duration / 1e6, summary.bytes, e.status,
		e.connect + e.read + e.write + e.timeout,
		latency:percentile(50), latency:percentile(99), latency.max))
end
