/* One input is what one connection brings. Its first byte says whether a good Hello comes before, and in what pieces. */
#include <fcntl.h>
#include <stdint.h>

#include "connection.h"
#include "loop.h"
#include "protocol.h"
#include "stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t HELLO_FRAME[SIZE_BYTES + 5 + 2 + SIZE_BYTES + TOKEN_BYTES] = {
    0, 0, 0, 5 + 2 + SIZE_BYTES + TOKEN_BYTES, HELLO, 0, 0, 0, 0, 0, VERSION, 0, 0, 0, TOKEN_BYTES};

static void turn(void)
{
    streams_pump();
    connections_flush();
    streams_sweep();
}

static void feed(struct connection *connection, const uint8_t *data, size_t size, size_t piece)
{
    while (size > 0 && !connection->dead) {
        size_t now = piece < size ? piece : size;
        connection_receive(connection, data, now);
        turn();
        data += now;
        size -= now;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready)
        loop_init();
    ready = true;
    if (size == 0)
        return 0;
    struct connection *connection = connection_new(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (data[0] & 1)
        connection_receive(connection, HELLO_FRAME, sizeof HELLO_FRAME);
    feed(connection, data + 1, size - 1, data[0] / 2 + 1U);
    connection_close(connection);
    turn();
    connections_sweep();
    return 0;
}
