#include "board.h"
#include "eq_app.h"

int main(void)
{
    board_init();
    eq_app_selftest();
    for (;;) {
        eq_app_poll();
    }
}
