import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { listen, serveFiles } from '../shared/files.js';

const server = createServer(serveFiles(new URL('./', import.meta.url)));
const io = new Server(server);

io.on('connection', (socket) => {
  socket.on('danmaku send', (message) => {
    // Every client gets a frame of its own for every comment, from this one process.
    io.emit('danmaku show', message);
  });
});

listen(server, process.env.PORT ?? 3000);
