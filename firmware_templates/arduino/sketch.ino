// {{ name }}: self-test, then edgeq's serial protocol. Put your own work into loop().
#include <eq_arduino.h>

void setup()
{
    eq_arduino_begin(115200);
}

void loop()
{
    eq_app_poll();
}
