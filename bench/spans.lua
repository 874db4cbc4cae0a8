-- wrk's requests of spans: a template (bench/lib/Bench/Spans.pm) of which each request has ids and times of its own.
--
--	wrk … -s bench/spans.lua URL -- TEMPLATE PLACES KEY…

local ffi = require("ffi")
local keys, places, body, size, head, state, n = {}, {}, nil, 0, {}, nil, 0

function init(args)
	local file = io.open(args[1], "rb")
	local text = file:read("*a")
	file:close()
	size = #text
	body = ffi.new("char[?]", size)
	ffi.copy(body, text, size)
	for line in io.lines(args[2]) do
		local place = {}
		for number in line:gmatch("-?%d+") do place[#place + 1] = tonumber(number) end
		places[#places + 1] = place
	end
	for i = 3, #args do keys[#keys + 1] = args[i] end
	state = ffi.new("uint64_t[1]", os.time() * 2654435761 + tonumber(tostring(keys):match("0x(%x+)"), 16))
	for _ = 1, 9 do math.random() end
end

-- xorshift64*: ids as random as those of a tracer, so that they fall anywhere into an index.
local function put_random(at)
	local s = state[0]
	s = bit.bxor(s, bit.rshift(s, 12))
	s = bit.bxor(s, bit.lshift(s, 25))
	s = bit.bxor(s, bit.rshift(s, 27))
	state[0] = s
	ffi.cast("uint64_t *", body + at)[0] = s * 2685821657736338717ULL
end

function request()
	local now = os.time() * 1000000000ULL
	local first
	n = n + 1
	for i = 1, #places do
		local p = places[i]
		if p[3] < 0 then
			put_random(p[1])
			put_random(p[1] + 8)
			first = p
		else
			ffi.copy(body + p[1], body + first[1], 16)
			ffi.copy(body + p[3], body + first[2], 8)
		end
		put_random(p[2])
		local start = now + (i * 1000003 + n * 7919) % 1000000000
		ffi.cast("uint64_t *", body + p[4])[0] = start
		ffi.cast("uint64_t *", body + p[5])[0] = start + 1000000ULL + (i * 7919) % 50000000
	end
	return wrk.format("POST", "/api/v1/traces", {
		["Content-Type"] = "application/x-protobuf",
		["Authorization"] = "Bearer " .. keys[n % #keys + 1],
	}, ffi.string(body, size))
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'JSON {"requests":%d,"seconds":%.6f,"refused":%d,"broken":%d,"p50_us":%d,"p99_us":%d,"max_us":%d}\n',
		summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
		latency:percentile(50), latency:percentile(99), latency.max))
end
