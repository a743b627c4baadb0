// The manager asks nobody who they are, and 127.0.0.1 is open to everybody who has a shell on this machine, and to
// every web page in a browser here that calls itself by another name (DNS rebinding). So a request from this machine
// is served only if the other end of its connection belongs to the user who started the manager, or to root, as the
// kernel lists it, and only if it names this machine; all others get 403 and a line in the log. Who reaches the
// manager from another machine does so because TRIONET_PORTAL_HOST opened it, and is not asked.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');

const ESTABLISHED = '01'; // of a connection in any other state the kernel may list root as the owner
const MOST_LINES = 200; // of refusals in the log
const OWNER = Symbol('owner');
const NAMES = new Set(['localhost', '127.0.0.1', '[::1]', os.hostname().toLowerCase()]);
for (const name of [process.env.TRIONET_PORTAL_HOST, ...(process.env.TRIONET_PORTAL_NAMES || '').split(',')]) {
    if (name && name.trim()) {
        NAMES.add(name.trim().toLowerCase()); // of a tunnel or a proxy, say
    }
}
let lines = 0;

// An address as /proc/net/tcp (4 bytes) and tcp6 (16) list it: words of the machine's own order, in hexadecimal.
function listed(address) {
    const four = address.replace(/^::ffff:/, '');
    if (/^[\d.]+$/.test(four)) {
        const bytes = four.split('.').reverse();
        const word = bytes.map((byte) => Number(byte).toString(16).padStart(2, '0')).join('').toUpperCase();
        return [word, `0000000000000000FFFF0000${word}`];
    }
    return address === '::1' ? ['00000000000000000000000001000000'] : [];
}

function isLocal(address) {
    return /^(::ffff:)?127\./.test(address) || address === '::1';
}

// The user at the other end; undefined where the kernel lists no such connection (any more).
function ownerOf(socket) {
    const port = (number) => number.toString(16).toUpperCase().padStart(4, '0');
    const theirs = listed(socket.remoteAddress).map((word) => `${word}:${port(socket.remotePort)}`);
    const ours = listed(socket.localAddress).map((word) => `${word}:${port(socket.localPort)}`);
    for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
        let text;
        try {
            text = fs.readFileSync(table, 'latin1');
        } catch {
            continue;
        }
        for (const line of text.split('\n')) {
            const [, local, remote, state, , , , user] = line.trim().split(/\s+/);
            if (state === ESTABLISHED && theirs.includes(local) && ours.includes(remote)) {
                return Number(user);
            }
        }
    }
    return undefined;
}

function nameOf(host) {
    return String(host).toLowerCase().replace(/:\d+$/, '');
}

// Why a request is refused; undefined where it is served.
function refusal(request) {
    const socket = request.socket;
    if (!socket.remoteAddress || !isLocal(socket.remoteAddress)) {
        return socket.remoteAddress ? undefined : 'it has ended';
    }
    const user = socket[OWNER];
    if (user !== 0 && user !== process.getuid()) {
        return user === undefined ? 'nobody is known to have sent it' : `user ${user} has sent it`;
    }
    const { host, origin } = request.headers;
    if (!NAMES.has(nameOf(host))) {
        return `it is meant for ${JSON.stringify(String(host).slice(0, 100))}`;
    }
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
        return `a page of ${JSON.stringify(String(origin).slice(0, 100))} has sent it`;
    }
    return undefined;
}

function say(text) {
    lines += 1;
    if (lines <= MOST_LINES) {
        process.stderr.write(`portal: ${text}${lines === MOST_LINES ? '; further ones are not told' : ''}\n`);
    }
}

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, ...args) {
    if (event === 'connection' && args[0].remoteAddress && isLocal(args[0].remoteAddress)) {
        args[0][OWNER] = fs.existsSync('/proc/net/tcp') ? ownerOf(args[0]) : process.getuid();
    }
    if (['request', 'checkContinue', 'checkExpectation', 'upgrade', 'connect'].includes(event)) {
        const why = refusal(args[0]);
        if (why !== undefined) {
            say(`403 for ${args[0].method} ${JSON.stringify(args[0].url.slice(0, 100))}: ${why}`);
            args[0].socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
            return true;
        }
    }
    return emit.call(this, event, ...args);
};
